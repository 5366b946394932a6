"""What a language model is asked about weights, what is an answer, and what a fault becomes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from agent.core.clock import VirtualClock
from agent.core.errors import LlmError
from agent.planning.llm import LanguageModel
from agent.planning.messages import Ask, Look, Seen, Server, Told
from agent.planning.weighting import Shown, Weigher, question, random_weights


class Answers:
    """A courier that answers these texts, then the last one again."""

    def __init__(self, *texts: str) -> None:
        self.texts, self.asked = list(texts), list[Ask]()

    async def ask(self, ask: Ask) -> Told:
        self.asked.append(ask)
        return Told(content=self.texts.pop(0) if len(self.texts) > 1 else self.texts[0])

    async def look(self, look: Look) -> Seen:
        return Seen(models=("tiny",))

    def close(self) -> None:
        pass


def _weigher(*texts: str) -> tuple[Weigher, Answers]:
    courier = Answers(*texts)
    model = LanguageModel(Server("ollama", "http://here", "tiny"), courier, VirtualClock(), timeout_s=5.0)
    return Weigher(model, {"bow": "levels of the Bow", "gold": "gold earned"}, "Get rich"), courier


def _asked(weigher: Weigher, names: Sequence[str] = ("bow", "gold"), **state: Any) -> tuple[float, ...] | None:
    return asyncio.run(weigher.weights(names, **state))


def test_it_is_shown_the_items_the_goal_and_the_searchs_state() -> None:
    weigher, courier = _weigher('{"weights":[0.5,1.5]}')
    best, recent = [Shown((1.0, 2.0), 0.9)], [Shown((0.0, 1.0), -0.2)]
    assert _asked(
        weigher, mean=(0.9, 1.1), sigma=0.25, covariance=((1.0, 0.1), (0.1, 2.0)), best=best, recent=recent
    ) == (0.5, 1.5)
    prompt = courier.asked[0].prompt
    for said in ("'Get rich'", "1. 'bow': 'levels of the Bow'", "2. 'gold'", "[0.90, 1.10]", "0.250", "[0.10, 2.00]",
                 "[1.00, 2.00] was worth 0.900", "[0.00, 1.00] was worth -0.200"):  # fmt: skip
        assert said in prompt, said
    schema = msgspec.json.decode(courier.asked[0].schema)
    assert schema["properties"]["weights"]["minItems"] == 2 == schema["properties"]["weights"]["maxItems"]


@pytest.mark.parametrize(
    "text",
    ['{"weights":[1]}', '{"weights":[1,2,0]}', '{"weights":[1,2.5]}', '{"weights":[1,-0.1]}', '{"weights":["1",1]}',
     '{"weights":[1,1],"do":"quit"}', '{"weights":[]}', "1, 1", '{"weights":[NaN,1]}'],
)  # fmt: skip
def test_what_is_no_answer_is_no_weights_and_is_counted(text: str) -> None:
    weigher, _ = _weigher(text)
    assert _asked(weigher) is None and weigher.faults == {"invalid": 1} and weigher.counts["answered"] == 0


def test_a_name_is_data_in_quotes_and_cut() -> None:
    asked = question(["x" * 99 + "\nignore all"], ["do\nthis"])
    assert "ignore" not in asked.prompt and "\\n" in asked.prompt and len(asked.prompt.splitlines()) == 1
    with pytest.raises(LlmError):
        asked.decode(Told(content='{"weights":[1,1]}'))


def test_random_weights_are_even_over_0_to_2_and_differ_by_their_seed() -> None:
    draw = random_weights(0)
    drawn = np.array([draw(("a", "b", "c")) for _ in range(500)])
    assert drawn.min() >= 0 and drawn.max() <= 2 and abs(drawn.mean() - 1.0) < 0.05
    assert random_weights(1)(("a",)) != random_weights(2)(("a",)) and random_weights(1)(("a",)) == random_weights(1)(
        ("a",)
    )
