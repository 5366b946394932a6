"""A language model is probed, asked one thing at a time by a schema, cached, and left alone by an open breaker."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import msgspec
import pytest

from agent.core.clock import VirtualClock
from agent.core.errors import ChildGone, LlmError
from agent.planning.llm import CACHED, ByChild, LanguageModel, Question, listens
from agent.planning.messages import Ask, Look, Seen, Server, Told
from tests.planning.test_backends import server_at
from tools.bench.planner.stand_in import StandIn


class Reply(msgspec.Struct, forbid_unknown_fields=True):
    plan: list[int]


SCHEMA = msgspec.json.encode(msgspec.json.schema(Reply))
GOOD = Told(content='{"plan":[2]}', prompt_tokens=10, reply_tokens=3)


def _question(prompt: str = "1. survive") -> Question[Reply]:
    return Question("You plan.", prompt, SCHEMA, Reply)


class Carried:
    """A courier that answers what it is told to; `asked` is what it carried."""

    def __init__(self, *answers: Told | Exception, models: tuple[str, ...] = ("tiny",)) -> None:
        self.answers, self.asked, self.models = list(answers), list[Ask](), models

    async def ask(self, ask: Ask) -> Told:
        self.asked.append(ask)
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if self.answers else GOOD
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def look(self, look: Look) -> Seen:
        return Seen(models=self.models)

    def close(self) -> None:
        pass


def _model(*answers: Told | Exception, model: str = "tiny", **more: Any) -> tuple[LanguageModel, Carried, VirtualClock]:
    courier, clock = Carried(*answers, **more), VirtualClock()
    return LanguageModel(Server("ollama", "http://here", model), courier, clock, timeout_s=10.0), courier, clock


def test_an_answer_is_decoded_counted_and_cached_by_its_prompt() -> None:
    model, courier, _ = _model()
    answers = [asyncio.run(model.ask(_question(p))).plan for p in ("1. a", "1. a", "1. b")]
    assert answers == [[2]] * 3 and len(courier.asked) == 2
    status = model.status()
    assert (status["asked"], status["answered"], status["from_cache"]) == (2, 2, 1)
    assert (status["prompt_tokens"], status["reply_tokens"]) == (20, 6) and status["latency_s"] is not None
    assert courier.asked[0].total_s == 10.0 and courier.asked[0].silence_s == 5.0


def test_the_cache_forgets_the_oldest_answer() -> None:
    model, courier, _ = _model()

    async def run() -> None:
        for k in [*range(CACHED + 1), CACHED, 0]:
            await model.ask(_question(f"{k}. x"))

    asyncio.run(run())
    assert len(courier.asked) == CACHED + 2 and model.status()["from_cache"] == 1


@pytest.mark.parametrize(
    ("content", "thinking", "fault"),
    [
        ('{"plan":[3]}', "", ""),
        ('```json\n{"plan":[3]}\n```', "", ""),
        ("", '{"plan":[3]}', ""),
        ("  \n", "Let me think about it", "invalid"),
        ("", "", "empty"),
        ('Sure! {"plan":[3]}', "", "invalid"),
        ('{"plan":[3]} {"plan":[4]}', "", "invalid"),
        ('{"plan":["3"]}', "", "invalid"),
        ('{"plan":[3],"click":"Quit"}', "", "invalid"),
        ("[" * 60_000, "", "invalid"),
        ("\ud800", "", "invalid"),
    ],
)
def test_content_goes_before_thinking_and_nothing_is_guessed(content: str, thinking: str, fault: str) -> None:
    told = Told(content=content, thinking=thinking)
    if not fault:
        assert _question().decode(told).plan == [3]
        return
    with pytest.raises(LlmError) as caught:
        _question().decode(told)
    assert caught.value.fault == fault


def test_three_failures_open_the_breaker_and_the_schedule_closes_it() -> None:
    faults = [Told(fault="slow", error="x"), ChildGone("its process ended"), Told(content="no JSON")]
    model, courier, clock = _model(*faults)

    async def run() -> list[str]:
        ends = []
        for at_s in (0, 1, 2, 3, 31, 32, 33):
            await clock.advance(at_s - clock.now_s())
            try:
                await model.ask(_question(f"1. {at_s}"))
                ends.append("good")
            except LlmError as error:
                ends.append(error.fault)
        return ends

    assert asyncio.run(run()) == ["slow", "child", "invalid", "open", "open", "good", "good"]
    status = model.status()
    assert status["breaker"]["opened"] == status["breaker"]["closed"] == 1 and len(courier.asked) == 5
    assert status["faults"] == {"slow": 1, "child": 1, "invalid": 1} and status["last_fault"]["fault"] == "invalid"


def test_two_questions_are_never_under_way() -> None:
    model, courier, _ = _model()

    async def run() -> list[Any]:
        return await asyncio.gather(*(model.ask(_question(f"{k}. x")) for k in (1, 2)), return_exceptions=True)

    first, second = asyncio.run(run())
    assert first.plan == [2] and isinstance(second, LlmError) and second.fault == "busy" and len(courier.asked) == 1


@pytest.mark.parametrize(
    ("answers", "think", "asked"),
    [
        ((), "omit", 1),
        ((Told(content=""),), "false", 2),
        ((Told(content="?"), Told(thinking="hm")), "low", 3),
    ],
)
def test_the_probe_keeps_the_first_way_that_keeps_to_the_schema(
    answers: tuple[Told, ...], think: str, asked: int
) -> None:
    model, courier, _ = _model(*answers)
    assert not model.ready
    asyncio.run(model.probe(_question()))
    assert (model.ready, model.think, len(courier.asked)) == (True, think, asked)
    assert courier.asked[0].total_s == 30.0, "a model that lies on the disk is loaded first"


def test_a_probe_that_fails_says_why_for_each_way_and_stops_where_nobody_answers() -> None:
    model, courier, _ = _model(*[Told(content="?")] * 3)
    with pytest.raises(LlmError, match=r"think omit.*think false.*think low"):
        asyncio.run(model.probe(_question()))
    assert not model.ready and "think low" in model.status()["why"]
    model, courier, _ = _model(Told(fault="unreachable", error="nothing listens"))
    with pytest.raises(LlmError, match="unreachable"):
        asyncio.run(model.probe(_question()))
    assert len(courier.asked) == 1


@pytest.mark.parametrize(("wanted", "found"), [("", "a:7b"), ("b", "b"), ("c", None), ("a:7b", "a:7b")])
def test_a_model_is_found_among_those_that_are_there_and_never_pulled(wanted: str, found: str | None) -> None:
    model, _, _ = _model(model=wanted, models=("a:7b", "b:latest"))
    if found is None:
        with pytest.raises(LlmError, match="no_model.*no model c; it has: a:7b, b:latest"):
            asyncio.run(model.find())
    else:
        asyncio.run(model.find())
        assert model.server.model == found


@pytest.mark.slow
def test_a_child_carries_the_question_and_its_end_is_a_fault() -> None:
    """The real process: an answer, a question while it is killed, and one after that."""

    async def run() -> tuple[list[int], str, list[int], bool]:
        async with StandIn() as server:
            courier = ByChild()
            model = LanguageModel(server_at(server.port), courier, VirtualClock(), timeout_s=60.0)
            await model.find()
            first = (await model.ask(_question("7. a"))).plan
            server.mode = "hang"
            hanging = asyncio.ensure_future(model.ask(_question("8. b")))
            while len(server.asked) < 2:
                await asyncio.sleep(0.01)
            os.kill(courier._child.pid or 0, 9)
            fault = (await asyncio.gather(hanging, return_exceptions=True))[0].fault
            server.mode = "good"
            again = (await model.ask(_question("9. c"))).plan
            heard = await listens("127.0.0.1", server.port)
            await asyncio.to_thread(model.close)
            return first, fault, again, heard

    assert asyncio.run(run()) == ([7], "child", [9], True)
