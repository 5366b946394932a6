"""Task vectors of named tensors: floats in sorted order, never integers, counters or the normaliser."""

from __future__ import annotations

import numpy as np
import pytest

from agent.core.errors import WeightsError
from agent.learning.merging.vectors import added, check_alike, flat, pairwise, parameters, task_vectors

BASE = {
    "b": np.zeros((2, 2), np.float32), "a": np.ones(3, np.float16), "count": np.arange(4), "norm.mean": np.zeros(2),
    "encoder.norm.var": np.ones(2, np.float32), "decision_ticks": np.float32(4.0),
    "join.1.weight": np.ones(1, np.float32),
}  # fmt: skip


def test_parameters_are_floats_without_statistics() -> None:
    assert parameters({k: np.asarray(v) for k, v in BASE.items()}) == ["a", "b", "join.1.weight"]


def test_a_vector_is_added_in_sorted_order_and_types_stay() -> None:
    base = {k: np.asarray(v) for k, v in BASE.items()}
    found = added(base, np.arange(8, dtype=np.float32), parameters(base))
    assert found["a"].dtype == np.float16 and found["a"].tolist() == [1.0, 2.0, 3.0]
    assert found["b"].tolist() == [[3.0, 4.0], [5.0, 6.0]] and found["join.1.weight"].tolist() == [8.0]
    assert all(found[name] is base[name] for name in ("count", "norm.mean", "decision_ticks"))
    assert flat(base, []).shape == (0,)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"norm.mean": np.ones(2)}, "mine: norm.mean is not the base's"),
        ({"b": np.zeros(4, np.float32)}, r"mine: tensor b is \[4\], that of the base is \[2, 2\]"),
        ({"z": np.zeros(1)}, r"mine: tensor z is \[1\], that of the base is None|None"),
    ],
)
def test_other_tensors_and_another_normaliser_are_refused(change: dict[str, np.ndarray], said: str) -> None:
    base = {k: np.asarray(v) for k, v in BASE.items()}
    check_alike(base, [dict(base)], ["mine"])
    with pytest.raises(WeightsError, match=said):
        check_alike(base, [base | change], ["mine"])


def test_cosines_and_signs_of_pairs() -> None:
    base = {"w": np.zeros(4, np.float32)}
    models = [{"w": np.array(w, np.float32)} for w in ([1, 1, 0, 0], [1, -1, 5, 0], [0, 0, 0, 0])]
    pairs = pairwise(task_vectors(base, models, ["w"]), ["a", "b", "c"])
    assert [(p.a, p.b) for p in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert pairs[0].cosine == 0.0 and pairs[0].sign_agreement == 0.5 and pairs[1].cosine == 0.0
