"""POST /merge_policies: the documented request and answer; unknown sources are 404, what does not fit 400."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from agent.concurrency.lane import Lane
from agent.core.clock import SystemClock, VirtualClock
from agent.http.decoding import Decoder
from agent.http.merging import MergeApi
from agent.http.server import serve
from agent.learning.merging.recipe import Recipe, merge
from agent.planning.llm import LanguageModel
from agent.planning.messages import Server
from agent.store.challenging import GIVEN
from agent.store.skills import SkillStore
from agent.store.store import WeightsStore
from tests.http.api_side import TOKEN, WRITES, Source
from tests.planning.test_weighting import Answers
from tests.store.test_skills import BASE, tuned

PATH = "/merge_policies"


def asked(api: MergeApi, *bodies: Any, headers: dict[str, str] = WRITES) -> list[tuple[int, Any]]:
    async def main() -> list[tuple[int, Any]]:
        port = asyncio.get_running_loop().create_future()
        serving = serve(
            Source(), port=0, token=TOKEN, clock=SystemClock(), extra_routes=api.routes(), ready=port.set_result
        )
        task, found = asyncio.ensure_future(serving), []
        async with aiohttp.ClientSession(f"http://127.0.0.1:{await asyncio.wait_for(port, 60)}") as http:
            for body in bodies:
                async with http.post(PATH, json=body, headers=headers) as reply:
                    found.append((reply.status, await reply.json()))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return found

    return asyncio.run(main())


@pytest.fixture
def api(tmp_path: Path) -> Any:
    """A store with a base and two policies of it."""
    store = WeightsStore(tmp_path / "weights")
    store.publish("start", BASE, kind="pilot", layout={"x": 1})
    for seed, name in enumerate(("gold", "bow")):
        store.publish(name, tuned(seed), kind="pilot", layout={"x": 1})
    store.publish("seen", tuned(3) | {"norm.mean": np.zeros(3, np.float32)}, kind="pilot", layout={"x": 1})
    disk = Lane("disk")

    def made(**more: Any) -> MergeApi:
        return MergeApi(store, SkillStore(tmp_path / "none", tmp_path / "none"), disk, Decoder(), **more)

    yield made
    disk.close()


BODY = {"source_policies": ["gold", "bow"], "target_policy": "both", "base_policy": "start"}


def _model(text: str) -> Callable[[], LanguageModel]:
    model = LanguageModel(Server("ollama", "http://here", "tiny"), Answers(text), VirtualClock(), timeout_s=5.0)
    model.ready = True
    return lambda: model


def test_sources_become_the_targets_next_version_with_a_report(api: Callable[..., MergeApi]) -> None:
    made = api()
    dry, one, two = asked(
        made, BODY | {"dry_run": True}, BODY | {"method": "weighted", "topk": 0.4, "role_weights": {"bow": 2.0}}, BODY
    )
    assert [s for s, _ in (dry, one, two)] == [200, 200, 200]
    assert dry[1]["version"] == 0 and one[1]["version"] == 1 and two[1]["version"] == 2
    report = one[1]["report"]
    assert report["sources"] == ["gold", "bow"] and report["method"] == "weighted" and report["topk"] == 0.4
    assert report["pairwise"][0].keys() == {"a", "b", "cosine", "sign_agreement"}
    assert report["llm"] == {"is_on": False, "why": "auto_llm is false"}
    assert made.store is not None
    wanted = merge(BASE, [tuned(0), tuned(1)], Recipe(method="weighted", weights=(1.0, 2.0), density=0.4)).tensors
    assert np.array_equal(made.store.load("both", 1)[1]["head.weight"], wanted["head.weight"])
    assert made.store.load("both", 1)[0].manifest.notes["recipe"]["weights"] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"source_policies": ["gold", "silver"]}, 404, "'silver': the store holds no policy"),
        ({"source_policies": ["gold", "../start"]}, 400, "is no name of a policy"),
        ({"source_policies": []}, 400, "has 0 names"),
        ({"source_policies": ["gold", "seen"]}, 400, "norm.mean is not the base's"),
        ({"source_policies": ["gold", "gold"]}, 400, "named twice"),
        ({"base_policy": None}, 400, "name it with --base"),
        ({"topk": 0.0}, 400, "density 0"), ({"topk": 1.5}, 400, "density 1.5"),
        ({"role_weights": {"silver": 1.0}}, 400, "role_weights names 'silver'"),
        ({"role_weights": {"bow": -1.0}}, 400, "weight -1"), ({"method": "slerp"}, 400, "slerp"),
        ({"tops": 1}, 400, "tops"),
    ],
)  # fmt: skip
def test_what_cannot_be_merged_says_why_and_keeps_nothing(
    change: dict[str, Any], status: int, said: str, api: Callable[..., MergeApi]
) -> None:
    made = api()
    ((found, answer),) = asked(made, BODY | change)
    assert found == status and said in answer["error"]
    assert made.store is not None and made.store.named("both") == 0


def test_without_a_token_or_a_store_nothing_is_merged(api: Callable[..., MergeApi]) -> None:
    ((status, _),) = asked(api(), BODY, headers={})
    assert status == 401
    none = MergeApi(None, SkillStore(Path("none")), Lane("disk"), Decoder())
    ((status, answer),) = asked(none, BODY)
    none.disk.close()
    assert status == 404 and "no weights are kept here" in answer["error"]


def test_a_models_weights_only_challenge_and_false_is_false(api: Callable[..., MergeApi]) -> None:
    made = api(model=_model('{"weights":[0.0,2.0]}'), auto_llm=True)
    assert made.store is not None
    made.store.publish("both", tuned(5), kind="pilot", layout={"x": 1})
    off, on, dry = asked(made, BODY | {"auto_llm": False}, BODY, BODY | {"dry_run": True})
    assert off[1]["report"]["llm"]["is_on"] is False
    llm = on[1]["report"]["llm"]
    assert llm["weights"] == {"gold": 0.0, "bow": 2.0} and llm["became"] == "a challenger of both"
    plain = merge(BASE, [tuned(0), tuned(1)], Recipe()).tensors
    assert np.array_equal(made.store.load("both", on[1]["version"])[1]["head.weight"], plain["head.weight"])
    assert (made.store.home("both") / GIVEN).is_file()
    assert "nothing" in dry[1]["report"]["llm"]["became"]


def test_a_model_that_fails_is_an_error_and_none_is_said(api: Callable[..., MergeApi]) -> None:
    ((status, answer),) = asked(api(model=_model('{"weights":[3]}'), auto_llm=True), BODY)
    assert status == 503 and "gave no weights: invalid" in answer["error"]
    ((status, answer),) = asked(api(auto_llm=True), BODY)
    assert status == 200 and answer["report"]["llm"] == {"is_on": False, "why": "there is no language model"}
