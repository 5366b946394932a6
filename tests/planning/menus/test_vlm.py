"""A model's reply becomes the id of something that may be pressed, in each known format, or an error by name."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx  # noqa: F401 - imported before the loop runs, as an import blocks it
import numpy as np
import ollama  # noqa: F401
import pytest

from agent.core.clock import SystemClock
from agent.core.errors import LlmError, SettingsError
from agent.core.types import Frame
from agent.link.imaging import decode_frame
from agent.planning.backends import answer, look
from agent.planning.llm import LanguageModel
from agent.planning.menus.choose import pressable
from agent.planning.menus.goal import menu_goal
from agent.planning.menus.vlm import MenuReply, VisionModel, by_text, check, choice_of, masked, question, schema
from agent.planning.menus.words import Refused
from agent.planning.messages import Ask, Look, Seen, Server, Told
from tools.bench.menus.pairs import screen_of
from tools.bench.planner.stand_in import StandIn

GOAL = menu_goal("Start Tier 3 run with Calcium")
SCREEN = screen_of(["Play", "Tier 3", "Quit", "Options"])
ALLOWED = pressable(SCREEN, Refused())


class Direct:
    """Carries questions without a process."""

    async def ask(self, ask: Ask) -> Told:
        return await answer(ask)

    async def look(self, look_at: Look) -> Seen:
        return await look(look_at)

    def close(self) -> None:
        pass


def _pressed(reply: MenuReply, *, free: bool = False) -> str:
    choice = choice_of(reply, GOAL, SCREEN, ALLOWED, free=free)
    return choice.element.text if choice.element is not None else choice.do


@pytest.mark.parametrize(
    ("reply", "pressed"),
    [(MenuReply("click", id=1), "Tier 3"), (MenuReply("click", target_text="Play"), "Play"),
     (MenuReply("click", target_text="PLAY!"), "Play"), (MenuReply("noop"), "wait"), (MenuReply("back"), "back"),
     (MenuReply("key", key="enter"), "key"), (MenuReply("click", id=99, target_text="options"), "Options")],
)  # fmt: skip
def test_replies_in_the_formats_that_people_know(reply: MenuReply, pressed: str) -> None:
    check(reply)
    assert _pressed(reply) == pressed


@pytest.mark.parametrize(
    "reply",
    [MenuReply("click", id=2), MenuReply("click", target_text="Quit"), MenuReply("click", id=77),
     MenuReply("click_xy", x=0.4, y=0.1), MenuReply("click", target_text="Delete everything")],
)  # fmt: skip
def test_what_is_refused_or_not_in_the_list_is_an_error(reply: MenuReply) -> None:
    with pytest.raises(LlmError, match="invalid"):
        _pressed(reply)


def test_a_point_counts_only_where_it_is_allowed_and_never_on_what_may_not_be_pressed() -> None:
    x0, y0, x1, y1 = SCREEN.elements[0].box
    assert _pressed(MenuReply("click_xy", x=(x0 + x1) / 2 / 1280, y=(y0 + y1) / 2 / 720), free=True) == "Play"
    assert _pressed(MenuReply("click_xy", x=(x0 + x1) / 2, y=(y0 + y1) / 2), free=True) == "Play"
    assert _pressed(MenuReply("click_xy", x=0.9, y=0.9), free=True) == "click_xy"
    bad = SCREEN.elements[2].centre
    for x, y in ((bad[0] / 1280, bad[1] / 720), (5000.0, 1.0), (-0.5, 0.2)):
        with pytest.raises(LlmError, match="invalid"):
            _pressed(MenuReply("click_xy", x=x, y=y), free=True)


@pytest.mark.parametrize(
    "reply",
    [
        MenuReply("delete"),
        MenuReply("click"),
        MenuReply("click_xy", x=0.5),
        MenuReply("key", key="f4"),
        MenuReply("key"),
    ],
)
def test_a_reply_that_says_nothing_that_can_be_done_breaks_the_schema(reply: MenuReply) -> None:
    with pytest.raises(ValueError, match="click|key|action"):
        check(reply)


def test_the_question_has_ids_of_what_may_be_pressed_alone_and_the_picture_hides_the_rest() -> None:
    asked = question(GOAL, SCREEN, ALLOWED, b"jpeg", free=False)
    assert json.loads(asked.schema)["properties"]["id"]["enum"] == [0, 1, 3] and "Quit" not in asked.prompt
    assert b"click_xy" not in asked.schema and b"click_xy" in schema([1], free=True) and asked.images == (b"jpeg",)
    shown = masked(np.full((720, 1280, 3), 255, np.uint8), SCREEN, ALLOWED)
    x, y = SCREEN.elements[2].centre
    assert (shown[y, x] == 0).all() and (shown[SCREEN.elements[0].centre[::-1]] == 255).all()
    assert by_text("Optlons", ALLOWED) is ALLOWED[2] and by_text("something", ALLOWED) is None


def test_ollama_is_shown_the_picture_and_its_reply_is_pressed() -> None:
    def reply(body: dict[str, Any]) -> str:
        return '{"action":"click","target_text":"Tier 3"}'

    async def main() -> tuple[str, dict[str, Any]]:
        async with StandIn("good", reply) as server:
            model = _vision(server.port, "llava:7b")
            server.models = ["llava:7b"]
            await model.begin()
            frame = Frame(np.full((720, 1280, 3), 128, np.uint8), 0.0, 0.0)
            choice = await model.choose(GOAL, SCREEN, frame, [e.id for e in ALLOWED])
            assert choice.element is not None
            return choice.element.text, server.asked[0]

    text, body = asyncio.run(main())
    (image,) = body["messages"][1]["images"]
    pixels = decode_frame(base64.b64decode(image), True)
    assert text == "Tier 3" and body["model"] == "llava:7b" and pixels.shape == (720, 1280, 3)


def _vision(port: int, name: str) -> VisionModel:
    server = Server("ollama", f"http://127.0.0.1:{port}", name)
    return VisionModel(LanguageModel(server, Direct(), SystemClock(), timeout_s=5.0), free=False)


@pytest.mark.parametrize("mode", ["prose", "error", "not_found", "garbage"])
def test_a_server_that_answers_badly_is_an_error_by_name(mode: str) -> None:
    async def main() -> None:
        async with StandIn(mode) as server:
            frame = Frame(np.zeros((72, 128, 3), np.uint8), 0.0, 0.0)
            await _vision(server.port, "tiny").choose(GOAL, screen_of(["Play"]), frame, [0])

    with pytest.raises(LlmError):
        asyncio.run(main())


def test_a_model_that_is_not_there_stops_the_start() -> None:
    async def main() -> None:
        async with StandIn() as server:
            await _vision(server.port, "llava:7b").begin()

    with pytest.raises(SettingsError, match=r"METABONK_VLM_MENU_MODEL=llava:7b: no_model.*ollama pull"):
        asyncio.run(main())
