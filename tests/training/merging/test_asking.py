"""A language model proposes to a search: it is shown the state; off where none is wanted or there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.core.clock import VirtualClock
from agent.core.errors import SettingsError
from agent.learning.merging.search import SearchState, Trial
from agent.planning.backend import Backend, LlmConfig
from agent.planning.llm import LanguageModel
from agent.planning.messages import Server
from agent.training.merging import asking as module
from agent.training.merging.asking import asking
from tests.planning.test_weighting import Answers

STATE = SearchState(
    ("a", "b"), (1.0, 1.2), 0.3, ((1.0, 0.0), (0.0, 1.0)), (Trial((1.0, 2.0), 0.5, "cma"),),
    (Trial((0.5, 0.5), -1.0, "cma"),),
)  # fmt: skip


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Answers]:
    """A model that is there at once and answers a text."""

    def begin(text: str) -> Answers:
        courier = Answers(text)

        class There(Backend):
            async def begin(self) -> None:
                self.model = LanguageModel(Server("ollama", "http://x", "m"), courier, VirtualClock(), timeout_s=1.0)

        monkeypatch.setattr(module, "Backend", There)
        return courier

    return begin


def test_it_is_asked_with_the_searchs_state_and_answers_weights(answers: Callable[[str], Answers]) -> None:
    courier = answers('{"weights":[0.25,1.75]}')
    with asking(LlmConfig("ollama"), {"a": "gold", "b": "bow"}, wanted=True, goal="Get rich") as asker:
        assert asker.propose is not None and asker.propose(STATE) == (0.25, 1.75)
        assert asker.once(["a", "b"]) == (0.25, 1.75)
    first, second = (ask.prompt for ask in courier.asked)
    assert "was worth 0.500" in first and "'Get rich'" in first and "was worth" not in second


def test_where_none_is_wanted_or_there_nobody_proposes(answers: Callable[[str], Answers]) -> None:
    said: list[str] = []
    answers("")
    with asking(LlmConfig("ollama"), {}, wanted=False, say=said.append) as asker:
        assert asker.propose is None and asker.once(["a"]) is None and not said
    with asking(LlmConfig("builtin"), {}, wanted=True, say=said.append) as asker:
        assert asker.propose is not None or asker.why


def test_auto_without_a_server_is_off_and_said_once_and_a_named_one_is_an_error() -> None:
    said: list[str] = []
    config = LlmConfig("auto", base_url="http://127.0.0.1:9")
    with asking(config, {}, wanted=True, say=said.append) as asker:
        assert asker.propose is None
    assert len(said) == 1 and "no language model takes part: nothing listens" in said[0]
    with (
        pytest.raises(SettingsError, match="METABONK_LLM_BACKEND=openai"),
        asking(LlmConfig("openai", base_url="http://127.0.0.1:9/v1"), {}, wanted=True),
    ):
        pass
