"""Who proposes hyper-parameters: a model where one is wanted and can be reached, said once where not."""

from __future__ import annotations

import asyncio

import pytest

from agent.core.clock import VirtualClock
from agent.core.errors import SettingsError
from agent.learning.population import Range, Switch
from agent.planning.backend import LlmConfig
from agent.training.population.asking import asks, bounds_of, find_proposer
from agent.training.population.scheduler import Asked
from tests.planning.test_proposing import proposer

SPACES = {"lr": Range(1e-4, 1e-2), "is_on": Switch()}


def found(config: LlmConfig, *, wanted: bool) -> tuple[bool, list[str]]:
    said: list[str] = []
    backend, who = asyncio.run(find_proposer(config, SPACES, VirtualClock(), wanted=wanted, say=said.append))
    backend.close()
    return who is not None, said


def test_bounds_are_told_by_name() -> None:
    assert bounds_of(SPACES) == {"lr": (1e-4, 1e-2), "is_on": (0.0, 1.0)}


def test_without_a_model_it_is_said_once_and_where_none_is_wanted_nothing_is() -> None:
    config = LlmConfig(backend="builtin")
    assert found(config, wanted=False) == (False, [])
    has, said = found(config, wanted=True)
    assert not has and len(said) == 1 and said[0].startswith("no language model takes part")


def test_a_named_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SettingsError, match="METABONK_LLM_BACKEND=ollama"):
        found(LlmConfig(backend="ollama", base_url="http://127.0.0.1:9"), wanted=True)


def test_a_scheduler_asks_with_the_share_that_is_over() -> None:
    who, courier = proposer('{"values":[0.003,0.98]}')
    asked = Asked({"lr": 0.001, "gamma": 0.99}, [({"lr": 0.001, "gamma": 0.99}, 2.0)], 25, 100)
    assert asyncio.run(asks(who)(asked)) == {"lr": 0.003, "gamma": 0.98}
    assert "25% of the training" in courier.asked[0].prompt
