"""The TOML file of a population: what it says, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.errors import SettingsError
from agent.learning.population import Range
from agent.training.population.config import PopulationConfig, load_config


def test_groups_are_as_equal_as_they_can_be() -> None:
    config = PopulationConfig(periods=(1, 8))
    assert [config.group_of(n, 8) for n in range(8)] == [0] * 4 + [1] * 4
    assert [config.group_of(n, 3) for n in range(3)] == [0, 0, 1]


def test_a_file_says_what_is_searched(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('steps = 10\nperiods = [1]\n[search.gamma]\nlow = 0.9\nhigh = 0.99\nscale = "discount"\n')
    assert load_config(path).search == {"gamma": Range(0.9, 0.99, "discount")}


@pytest.mark.parametrize(
    ("text", "said"),
    [("step = 10", "step"), ("episodes = 3", "episodes"), ("periods = []", "periods"), ("[search]", "nothing"),
     ("[search.lr]\nlow = 1\nhigh = 0.1", "is possible"), ("[search.speed]\nlow = 1\nhigh = 2", "there are"),
     ("search = 3", "search"), ("factors = [1.2, 0.8]", "factors"), ("x", "p.toml")],
)  # fmt: skip
def test_a_file_that_cannot_be_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text + "\n")
    with pytest.raises(SettingsError, match=said):
        load_config(path)
