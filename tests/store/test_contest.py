"""Champion and challenger in play: who is promoted, who goes, what a person gives, and what a restart keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.concurrency.lane import Lane
from agent.control.arbiter import Arbiter
from agent.control.arrays import STILL
from agent.control.score import EpisodeResult
from agent.core.clock import VirtualClock
from agent.core.types import Observation
from agent.models.sealed import save_sealed
from agent.session.step_runner import StepRunner
from agent.store.challenging import GIVEN, give
from agent.store.contest import AGAIN_S, RECORD, WEIGHTS, Contest
from agent.store.reload import Reloader
from agent.store.store import WeightsStore
from tests.store.test_reload import Gain, weights


class Play:
    """Three games whose runs score what the weights are worth, in steps of one observation."""

    def __init__(self, folder: Path, *, share: float = 1 / 3, min_learned: int = 0) -> None:
        self.policy, self.disk, self.said = Gain(), Lane("disk"), list[tuple[str, dict[str, Any]]]()
        lane, self.store, self.clock = Lane("steps"), WeightsStore(folder), VirtualClock()
        runner = StepRunner(lane)
        say = lambda kind, message, payload: self.said.append((kind, {**payload, "message": message}))
        self.reloader = Reloader(self.policy, self.store, runner, self.disk, self.clock, say=say)
        self.parted, self.acted = list[int](), list[int]()
        self.contest = Contest(
            self.reloader, runner, self.disk, self.clock, share=share, games=3, part=self.parted.append, say=say,
            min_learned=min_learned,
        )  # fmt: skip
        self.close = (self.contest.close, self.disk.close, lane.close)
        self.rng, self.arbiter, self.scores = np.random.default_rng(0), Arbiter(), list[float]()

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.said if kind.startswith("challenger")]

    async def runs(self, count: int, until: str = "", *, looks: bool = True, by_human: bool = False) -> None:
        """Play runs, each game's in turn, until something is said."""
        for k in range(count):
            game, pair = k % 3, self.contest.pair
            o = Observation(game, STILL, None, k, 1 / 60, 0.0, 0.0, True, False, False, by_human=by_human)
            _, actions = pair.step(0, [o if g == game else None for g in range(3)])
            self.acted.append(pair.version(game))
            self.contest.stepped(pair.version(game), o, self.arbiter.choose(actions[game], "motor"), False)
            worth = float(pair.acting(game).tensors["gain"][0, 0])
            score_s = float(np.clip(1000.0 * worth + self.rng.normal(0.0, 60.0), 0.0, 1200.0))
            self.scores.append(score_s)
            self.contest.ended(game, EpisodeResult(score_s, score_s, False, 1, 1, score_s, 1))
            self.parted.clear()
            if looks:
                await self.contest.look()
            if until in self.kinds:
                return
        assert not until, f"{count} runs, and {until} was not said"


def played(folder: Path, play: Callable[[Play], Coroutine[Any, Any, None]], **more: Any) -> Play:
    """A session in a folder of weights; its champion is worth 0.25 where the folder is new."""
    session = Play(folder, **more)

    async def main() -> None:
        await session.reloader.begin(keep_given=False)
        await session.contest.begin()
        try:
            await play(session)
            await session.contest.finish()
        finally:
            for close in session.close:
                close()

    asyncio.run(main())
    return session


def home(play: Play) -> Path:
    return play.store.home("gain")


def test_better_weights_of_the_learner_are_promoted_and_are_no_version_before(tmp_path: Path) -> None:
    async def play(p: Play) -> None:
        assert p.contest.holds_back and p.policy.version == 1
        assert await p.contest.offer(weights(0.75), "learner", decisions=1)
        assert not await p.contest.offer(weights(0.5), "learner", decisions=1)  # one at a time
        assert (home(p) / WEIGHTS).exists() and p.store.versions("gain") == [1] and p.policy.version == 1
        await p.runs(200, "challenger_promoted")
        assert p.policy.version == 3 == p.contest.from_learner and p.store.good("gain") == 3
        assert p.store.load("gain")[1]["gain"][0, 0] == 0.75 and not (home(p) / WEIGHTS).exists()
        assert {0, 1, 2} <= set(p.parted)  # no rollout mixes the two
        assert not p.contest.must_start_over()

    p = played(tmp_path, play)
    assert p.kinds == ["challenger_begins", "challenger_promoted"]
    said = p.said[-1][1]
    assert said["as_version"] == 3 and said["difference"]["low"] > 0 and "difference +" in said["message"]
    shown = p.contest.status()
    assert (shown["champion"], shown["challenger"], shown["promoted"]) == (3, None, 1)
    assert shown["decisions"][0]["decision"] == "promoted"


def test_a_harmful_learner_is_discarded_with_figures_and_costs_little(tmp_path: Path) -> None:
    async def play(p: Play) -> None:
        for k in range(120):
            await p.contest.offer(weights(0.01 + 0.0001 * k), "learner", decisions=1)
            await p.runs(1)
        assert p.policy.version == 1 and p.contest.must_start_over() and not p.contest.must_start_over()

    p = played(tmp_path, play)
    shown = p.contest.status()
    assert shown["discarded"] >= 2 and shown["next_share"] <= 1 / 12 + 1e-3
    (begun, gone) = (next(said for kind, said in p.said if kind == k) for k in p.kinds[:2])
    assert (
        "one run in 3" in begun["message"] and gone["runs"]["challenger"] > 0 and gone["won_minus_lost"]["mean"] == -1.0
    )
    assert gone["blocks"] == {"count": 4, "challenger_worst": 4} and "the worst in 4 of 4 blocks" in gone["message"]
    assert np.mean(p.scores[60:]) > 0.9 * 250.0


def test_a_restart_goes_on_with_the_challenge(tmp_path: Path) -> None:
    async def first(p: Play) -> None:
        await p.contest.offer(weights(0.75), "learner", decisions=1)
        await p.runs(9)

    async def second(p: Play) -> None:
        assert p.kinds == ["challenger_goes_on"]
        assert p.contest.status()["challenger"]["runs"] == before["runs"] and before["runs"]["challenger"] >= 2
        await p.runs(200, "challenger_promoted")
        assert p.said[-1][1]["runs"]["challenger"] > before["runs"]["challenger"]

    before = played(tmp_path, first).contest.status()["challenger"]
    p = played(tmp_path, second)
    assert p.policy.tensors["gain"][0, 0] == 0.75 and p.policy.version == 3


def test_a_persons_file_is_tried_though_the_learners_weights_act_at_once(tmp_path: Path) -> None:
    async def play(p: Play) -> None:
        assert not p.contest.holds_back
        assert not await p.contest.offer(weights(0.5), "learner", decisions=1)
        path = tmp_path / "better.safetensors"
        save_sealed(path, weights(0.75), kind="test", layout={"x": 1}, sizes={})
        give(p.store, "gain", path)
        await p.runs(3)
        assert p.contest.holds_back and p.contest.status()["challenger"]["source"] == "better.safetensors"
        assert not (home(p) / GIVEN).exists()
        await p.reloader.offer(weights(0.3), "other.safetensors")  # a person's other file acts at once
        await p.runs(1)
        assert p.kinds == ["challenger_begins", "challenger_withdrawn", "challenger_begins"]
        assert p.contest.status()["challenger"]["runs"]["champion"] == 0
        await p.runs(200, "challenger_promoted")

    p = played(tmp_path, play, share=0.0)
    assert p.policy.tensors["gain"][0, 0] == 0.75 and p.contest.from_learner == -1


def test_a_persons_file_takes_the_place_of_the_learners_challenger(tmp_path: Path) -> None:
    async def play(p: Play) -> None:
        await p.contest.offer(weights(0.5), "learner", decisions=1)
        path = tmp_path / "mine.safetensors"
        save_sealed(path, weights(0.01), kind="test", layout={"x": 1}, sizes={})
        give(p.store, "gain", path)
        await p.runs(200, "challenger_discarded")
        assert p.kinds[1:] == ["challenger_withdrawn", "challenger_begins", "challenger_discarded"]
        assert not p.contest.must_start_over() and p.contest.status()["next_share"] == pytest.approx(1 / 3, abs=1e-3)

    played(tmp_path, play)


def test_the_learners_challenger_goes_where_other_weights_act(tmp_path: Path) -> None:
    async def play(p: Play) -> None:
        await p.contest.offer(weights(0.75), "learner", decisions=1)
        await p.reloader.offer(weights(0.5), "a file")
        await p.runs(9, looks=False)
        assert set(p.acted) == {3} and p.contest.status()["challenger"]["runs"]["champion"] == 0
        await p.runs(1)
        assert p.kinds == ["challenger_begins", "challenger_withdrawn"] and p.policy.version == 3
        assert p.contest.status()["discarded"] == 0

    played(tmp_path, play)


@pytest.mark.parametrize(("worth", "why"), [(9.0, "a step raised"), (7.0, "was refused")])
def test_what_is_broken_goes_at_once_and_the_champion_is_not_taken_back(tmp_path: Path, worth: float, why: str) -> None:
    async def play(p: Play) -> None:
        await p.contest.offer(weights(worth), "learner", decisions=1)
        await p.runs(9, looks=False)
        assert p.acted.count(2) <= 1, "the champion answers from the next step on"
        await p.runs(9, "challenger_discarded")
        assert why in p.said[-1][1]["why"] and p.contest.must_start_over()
        assert p.policy.version == 1 and p.reloader.rollbacks == []
        await p.runs(6)

    played(tmp_path, play)


def test_weights_that_are_equal_or_hardly_learned_are_no_challenger(tmp_path: Path) -> None:
    async def play(p: Play) -> None:
        assert not await p.contest.offer(weights(0.75), "learner", decisions=256)
        assert not await p.contest.offer(weights(0.25), "learner", decisions=256)  # the champion's own
        assert await p.contest.offer(weights(0.75), "learner", decisions=1)

    played(tmp_path, play, min_learned=512)


def test_one_play_of_a_folder_holds_the_challenge(tmp_path: Path) -> None:
    async def play(p: Play) -> None:
        other = Play(tmp_path)
        await other.reloader.begin(keep_given=False)
        await other.contest.begin()
        assert not await other.contest.offer(weights(0.75), "learner", decisions=1)
        assert not other.contest.status()["is_held_here"] and p.contest.status()["is_held_here"]
        assert await p.contest.offer(weights(0.75), "learner", decisions=1)
        await other.contest.look()
        assert not other.contest.challenge.is_on
        await p.contest.finish()
        p.contest.close()
        await other.clock.advance(AGAIN_S)
        await other.contest.look()
        assert other.contest.status()["is_held_here"] and other.kinds == ["challenger_goes_on"]
        await other.runs(200, "challenger_promoted")
        for close in other.close:
            close()

    played(tmp_path, play)


def test_a_folder_that_takes_no_claim_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> bool:
        raise OSError(30, "Read-only file system")

    async def play(p: Play) -> None:
        for _ in range(3):
            await p.clock.advance(AGAIN_S)
            await p.contest.look()
        assert not p.contest.status()["is_held_here"]

    monkeypatch.setattr("agent.store.contest.claim", refused)
    told = [said for kind, said in played(tmp_path, play).said if kind == "weights_refused"]
    assert len(told) == 1 and "Read-only file system" in told[0]["message"]


@pytest.mark.parametrize(
    ("damaged", "content"),
    [(RECORD, b"{"), (WEIGHTS, b"{"), (RECORD, b'{"version":2,"values":[7]}'), (RECORD, b'{"version":2,"scores":[]}')],
)
def test_a_damaged_challenge_ends_and_play_goes_on(tmp_path: Path, damaged: str, content: bytes) -> None:
    async def first(p: Play) -> None:
        await p.contest.offer(weights(0.75), "learner", decisions=1)

    async def second(p: Play) -> None:
        assert p.contest.status()["challenger"] is None
        await p.runs(3)
        assert await p.contest.offer(weights(0.5), "learner", decisions=1)
        assert p.contest.status()["challenger"]["version"] == 3  # numbers are not given out again

    (home(played(tmp_path, first)) / damaged).write_bytes(content)
    played(tmp_path, second)


def test_runs_that_a_person_had_a_hand_in_do_not_count(tmp_path: Path) -> None:
    async def play(p: Play) -> None:
        await p.contest.offer(weights(0.75), "learner", decisions=1)
        await p.runs(9, by_human=True)
        assert p.contest.status()["challenger"]["runs"] == {"champion": 0, "challenger": 0}
        await p.runs(9)
        assert p.contest.status()["challenger"]["runs"]["challenger"] >= 2

    played(tmp_path, play)
