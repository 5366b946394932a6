"""What a language model is asked about hyper-parameters, what is an answer, and what a fault becomes."""

from __future__ import annotations

import asyncio

import pytest

from agent.core.clock import VirtualClock
from agent.planning.llm import LanguageModel
from agent.planning.messages import Server
from agent.planning.proposing import Proposer
from tests.planning.test_weighting import Answers

BOUNDS = {"lr": (1e-4, 1e-2), "gamma": (0.9, 0.999)}
MEMBERS = [({"lr": 0.001, "gamma": 0.99}, 4.25), ({"lr": 0.002, "gamma": 0.95}, None)]


def proposer(*texts: str) -> tuple[Proposer, Answers]:
    courier = Answers(*texts)
    return Proposer(
        LanguageModel(Server("ollama", "http://x", "m"), courier, VirtualClock(), timeout_s=5.0), BOUNDS
    ), courier


def asked(found: Proposer) -> dict[str, float] | None:
    return asyncio.run(found.propose({"lr": 0.001, "gamma": 0.99}, MEMBERS, 0.5))


def test_it_is_shown_bounds_members_and_scores() -> None:
    found, courier = proposer('{"values":[0.003,0.98]}')
    assert asked(found) == {"lr": 0.003, "gamma": 0.98}
    prompt = courier.asked[0].prompt
    for part in ("'lr' from 0.0001 to 0.01", "50% of the training", "[0.001, 0.99]: score 4.250", "not measured yet"):
        assert part in prompt


def test_the_same_question_is_asked_once() -> None:
    found, courier = proposer('{"values":[0.003,0.98]}')
    assert asked(found) == asked(found) and len(courier.asked) == 1
    assert found.counts == {"asked": 2, "answered": 2}


@pytest.mark.parametrize(
    "text", ['{"values":[0.003]}', '{"values":["a",1]}', '{"lr":1}', "about half", '{"values":[1e999,1]}']
)
def test_what_breaks_the_schema_is_no_answer(text: str) -> None:
    found, _ = proposer(text)
    assert asked(found) is None and found.faults == {"invalid": 1}
