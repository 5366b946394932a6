"""A part of a session: begun, run, shown, served, cancelled and closed by one line in the list that builds it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agent import app
from agent.app import Session, build_session
from agent.control.chunks.policy import ChunkMotor
from agent.control.experience import RolloutRecorder
from agent.control.motor import Motor
from agent.control.policies import build_policy
from agent.control.policy import Policy
from agent.control.random_policy import RandomPolicy
from agent.control.reward import COUNTERS
from agent.control.untrained import untrained_tensors
from agent.core.choices import EDGES, Preferences
from agent.core.clock import SystemClock
from agent.core.part import Part, Route
from agent.core.types import Action
from agent.learner.part import LearnFromPlay
from agent.learning.configs import Budget, MotorInPlay
from agent.link.endpoint import Endpoint
from agent.session.options import SessionOptions
from agent.session.parts import CardsByMotor
from agent.session.recording import header_of_session
from agent.session.report import session_report
from agent.session.status import SNAPSHOT_S
from tests.control.test_control import counted, observe

OPTIONS: dict[str, Any] = {"endpoints": (Endpoint("127.0.0.1", 9),), "names": ("game",), "watchdog": False}
"""Nobody listens on port 9: the link tries again and again."""
LIKING = Preferences((0.0,) * (len(EDGES) + 1))


@dataclass(frozen=True)
class Toy(Part):
    name = "toy"
    key = "toys"
    seen: list[str] = field(default_factory=list)
    fails: int = 0

    async def begin(self) -> None:
        self.seen.append("begin")

    async def run(self) -> None:
        self.seen.append("run")
        if self.seen.count("run") <= self.fails:
            raise OSError("broken toy")
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise

    async def finish(self) -> None:
        self.seen.append("finish")

    def close(self) -> None:
        self.seen.append("close")

    def status(self) -> dict[str, Any]:
        return {"seen": len(self.seen)}

    def routes(self) -> Sequence[Route]:
        return [Route("GET", "/toy", self.show)]

    async def show(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"plays": True})


@dataclass(frozen=True)
class Essential(Toy):
    name = "essential toy"
    key = "essential"
    is_essential = True


@dataclass(frozen=True)
class Late(Toy):
    name = "late toy"
    key = "late"

    async def begin(self) -> None:
        raise OSError("no toy to begin with")


def session(*parts: Part, **more: Any) -> Session:
    return build_session(SessionOptions(**OPTIONS, **more), RandomPolicy(0), SystemClock(), parts=parts)


async def until(playing: asyncio.Task[Any], holds: Any) -> None:
    while not holds():
        assert not playing.done(), playing.exception()
        await asyncio.sleep(0.01)


def test_a_part_is_one_line_in_the_list() -> None:
    toy, ports = Toy(), asyncio.Queue[int]()

    async def main() -> dict[str, Any]:
        made = session(toy, http_port=0, http_token="t" * 43, on_http=ports.put_nowait)
        playing = asyncio.ensure_future(made.run())
        url = f"http://127.0.0.1:{await ports.get()}"
        async with aiohttp.ClientSession() as http:
            async with http.get(f"{url}/toy") as answer:
                assert await answer.json() == {"plays": True}
            async with http.get(f"{url}/status") as answer:
                assert (await answer.json())["toys"] == {"seen": 2}
        assert toy.seen == ["begin", "run"]
        made.stop()
        report = await playing
        assert made.part(Toy) is toy
        return report

    report = asyncio.run(main())
    assert toy.seen == ["begin", "run", "cancelled", "finish", "close"]
    assert report["toys"] == {"seen": 4} and report["http_port"] > 0


def test_a_part_that_fails_runs_again_and_its_failure_is_counted_under_its_name() -> None:
    toy = Toy(fails=1)

    async def main() -> dict[str, Any]:
        made = session(toy, http_port=None)
        playing = asyncio.ensure_future(made.run())
        await until(playing, lambda: toy.seen.count("run") == 2)
        made.stop()
        return await playing

    assert asyncio.run(main())["parts"] == {"faults": {"toy": 1}, "parked": {}}


def test_an_essential_part_ends_the_session_and_every_part_is_closed() -> None:
    toy, essential = Toy(), Essential(fails=1)

    async def main() -> None:
        await session(toy, essential, http_port=None).run()

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(main())
    assert "broken toy" in str(caught.value.exceptions[0])
    assert toy.seen[-2:] == essential.seen[-2:] == ["finish", "close"]


def test_a_session_that_cannot_begin_closes_what_was_built() -> None:
    toy, late = Toy(), Late()
    with pytest.raises(OSError, match="no toy to begin with"):
        asyncio.run(session_run(toy, late))
    assert toy.seen == ["begin", "close"] and late.seen == ["close"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full")
def test_a_report_that_cannot_be_written_hides_nothing() -> None:
    full = Path("/dev/full")
    report = asyncio.run(session(http_port=None, seconds=0.01, report=full).run())
    assert "No space left" in report["report_error"] and report["games"]
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(session(Essential(fails=1), http_port=None, report=full).run())
    assert "broken toy" in str(caught.value.exceptions[0])


async def session_run(*parts: Part) -> None:
    await session(*parts, http_port=None).run()


def test_readers_of_the_status_share_a_snapshot_and_the_report_has_its_own() -> None:
    async def main() -> None:
        made = session(http_port=None)
        shown = made.status.status()
        assert made.status.status() is shown and made.status.built() is not shown
        await asyncio.sleep(SNAPSHOT_S)
        assert made.status.status() is not shown
        for lane in made.lanes:
            lane.close()

    asyncio.run(main())


def test_each_game_has_its_own_thread_for_its_pictures() -> None:
    async def main() -> int:
        three = {"endpoints": OPTIONS["endpoints"] * 3, "names": ("a", "b", "c"), "http_port": None}
        made = build_session(SessionOptions(**three), RandomPolicy(0), SystemClock())
        for lane in made.lanes:
            lane.close()
        assert set(made.imaging) <= set(made.lanes)
        return len(set(made.imaging))

    assert asyncio.run(main()) == 3


@dataclass(frozen=True)
class Slow(Toy):
    name = "slow toy"
    key = "slow"

    async def begin(self) -> None:
        await super().begin()
        await asyncio.get_running_loop().create_future()


@pytest.mark.skipif(sys.platform == "win32", reason="loops take no signals there")
def test_a_session_that_is_told_to_end_while_it_begins_plays_nothing_and_says_so() -> None:
    slow = Slow()

    async def main() -> dict[str, Any]:
        made = session(slow, http_port=None)
        playing = asyncio.ensure_future(made.run())
        await until(playing, lambda: slow.seen)
        os.kill(os.getpid(), signal.SIGTERM)
        report = await playing
        assert made.stopping.signal == signal.SIGTERM
        return report

    report = asyncio.run(main())
    assert slow.seen == ["begin", "close"]
    assert report["ended_by"] == "signal" and report["first_action_s"] is None


@pytest.mark.parametrize(
    ("more", "ended_by"), [({"seconds": 0.1}, "time"), ({"episodes": 3}, "silence"), ({}, "caller")]
)
def test_a_report_says_what_ended_the_session(
    more: dict[str, Any], ended_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "FIRST_ACTION_S", 0.1)

    async def main() -> dict[str, Any]:
        made = session(http_port=None, **more)
        playing = asyncio.ensure_future(made.run())
        if not more:
            await asyncio.sleep(0.3)
            made.stop()
        return await playing

    assert asyncio.run(main())["ended_by"] == ended_by


@pytest.mark.parametrize("fails", [0, 1])
def test_a_session_that_an_error_or_a_cancellation_ended_says_so_in_its_report(tmp_path: Path, fails: int) -> None:
    essential, path = Essential(fails=fails), tmp_path / "report.json"

    async def main() -> None:
        playing = asyncio.ensure_future(session(essential, http_port=None, seconds=60.0, report=path).run())
        while "run" not in essential.seen:
            await asyncio.sleep(0.01)
        if not fails:
            playing.cancel()
        await asyncio.wait({playing})

    asyncio.run(main())
    assert json.loads(path.read_text(encoding="utf-8"))["ended_by"] == "error"


def test_what_is_off_is_not_in_the_list(tmp_path: Path) -> None:
    async def names(policy: Policy | None = None, **more: Any) -> list[str]:
        made = build_session(SessionOptions(**OPTIONS, **more), policy or RandomPolicy(0), SystemClock())
        for part in made.parts:
            part.close()
        for lane in made.lanes:
            lane.close()
        return [part.name for part in made.parts]

    assert asyncio.run(names(http_port=None)) == ["supervision", "cards by motor", "loops", "owners", "memory plan"]
    assert asyncio.run(names(http_port=0, learn=True)) == [
        "supervision", "cards by motor", "loops", "owners", "events api", "no workers api", "takeover api", "goals api",
        "clip api", "merge api", "steering api", "recordings api", "memory plan", "decisions",
        "live api", "serve",
    ]  # fmt: skip
    everything = asyncio.run(names(http_port=0, learn=True, weights_dir=tmp_path, wanted=LIKING))
    assert everything == [
        "supervision",
        "learners",
        "cards by motor",
        "loops",
        "owners",
        "events api",
        "workers api",
        "takeover api",
        "goals api",
        "clip api",
        "merge api",
        "steering api",
        "recordings api",
        "memory plan",
        "decisions",
        "live api",
        "serve",
    ]
    pilot = Motor(untrained_tensors(0))
    assert asyncio.run(names(pilot, http_port=None, learn=True, weights_dir=tmp_path, wanted=LIKING)) == [
        "supervision", "weights watch", "weights mend", "champion and challenger", "learners", "learning from play",
        "cards by outcomes", "loops", "owners", "memory plan",
    ]  # fmt: skip


def test_a_motor_learns_from_its_play_where_its_rollouts_are_pushed_and_samples_nothing_else(tmp_path: Path) -> None:
    async def made(pushes: bool) -> tuple[list[str], bool, bool]:
        budget, motor = Budget(motor=MotorInPlay(pushes=pushes)), build_policy("motor")
        options = SessionOptions(**OPTIONS, http_port=None, learn=True, weights_dir=tmp_path, budget=budget)
        session = build_session(options, motor, SystemClock())
        for closed in (*session.parts, *session.lanes):
            closed.close()
        assert isinstance(motor, ChunkMotor)
        header = header_of_session(options, motor, SystemClock())
        return [part.name for part in session.parts], motor.recorder is not None, header.off_policy

    names, records, off_policy = asyncio.run(made(False))
    assert "learners" in names and "learning from play" not in names and not records and not off_policy
    names, records, off_policy = asyncio.run(made(True))
    assert "learning from play" in names and records and off_policy


def test_a_policy_that_takes_no_cards_is_named() -> None:
    async def main() -> Any:
        made = session(http_port=None, wanted=LIKING)
        for lane in made.lanes:
            lane.close()
        return made.part(CardsByMotor).status()

    assert asyncio.run(main()) == {"chooser": "motor", "why": "the policy random takes no other's cards"}


def test_a_part_that_is_off_is_named_when_it_is_asked_for() -> None:
    async def main() -> None:
        made = session(http_port=None)
        with pytest.raises(LookupError, match="the session has no Toy"):
            made.part(Toy)
        await asyncio.sleep(0)

    asyncio.run(main())


def test_two_parts_cannot_show_themselves_under_one_key() -> None:
    async def main() -> None:
        session(Toy(), Toy(), http_port=None)

    with pytest.raises(ValueError, match="under one key"):
        asyncio.run(main())


def test_the_sessions_table_pays_learners_and_returns_and_is_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid: list[Any] = []
    monkeypatch.setattr(RolloutRecorder, "pay_by", lambda recorder, *rewards: paid.extend(rewards))

    async def main() -> Session:
        more = {"http_port": None, "learn": True, "weights_dir": tmp_path, "reward": COUNTERS}
        made = build_session(SessionOptions(**OPTIONS, **more), Motor(untrained_tensors(0)), SystemClock())
        for closed in (*made.parts, *made.lanes):
            closed.close()
        return made

    made = asyncio.run(main())
    assert [table.weights for table in paid] == [COUNTERS]
    assert made.part(LearnFromPlay).live._policy_spec.paid_by == COUNTERS.label == "counters"
    made.episodes.on_step(observe(counted(), is_last=True, is_terminal=True), Action(), 0)
    o = made.options
    report = session_report(o.game, o.rules, o.seed, made.status, made.episodes, made.actor, made.clock)
    assert report["reward"] == "counters" and report["episode_results"][0]["episode_return"] == COUNTERS.death
