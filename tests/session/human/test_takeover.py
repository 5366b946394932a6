"""A person who presses something plays at once, until a second after letting go, and the policy's answer is kept."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from agent.control.motor import Motor
from agent.control.untrained import untrained_tensors
from agent.core.clock import TICK_S
from agent.core.rollout import Rollout, check_rollout
from agent.core.types import NEUTRAL, TAKEOVER_S, Action, HumanInput, Packet
from agent.games.arena.game import ArenaGame
from agent.journal.journal import Journal
from agent.journal.read import records_of
from agent.journal.records import DecisionRecord, EventRecord, PacketRecord
from agent.link.wire import decode_action, decode_state
from agent.session.act import ActLoop
from agent.session.human.takeover import PAGE, RENEW_S, Takeover, click_of, relayed
from agent.session.options import SessionOptions
from agent.session.recording import RecordedFeed, RecordSession, header_of_session, keep_weights
from agent.session.replay import Replayer
from tests.link.game_side import state
from tests.session.test_walk import PERIOD_S, Table

REST = HumanInput(1, (0.0, 0.0), (0.0, 0.0), False, False, False, False, (0.0, 0.0))


def pressed(**values: Any) -> HumanInput:
    return msgspec.structs.replace(REST, **values)


class Piloted(Table):
    """A pilot that learns plays the arena, beside a person, on a virtual clock; everything is recorded."""

    on_loop = True

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.policy = policy = Motor(untrained_tensors(1), seed=1)  # type: ignore[assignment]
        options = SessionOptions(endpoints=(), names=("game",), game="arena", learn=True, weights_dir=folder, seed=1)
        self.journal = Journal(folder / "session", header_of_session(options, policy, self.clock), self.clock)
        self.rollouts: list[Rollout] = []
        policy.learn(("game",), self.rollouts.append, steps=64)
        self.tap = RecordedFeed(0, self.feeds[0], self.journal, self.clock)
        recorder = RecordSession(self.journal, lambda _game: policy, self.lane, self.clock, True, [self.tap], print)  # type: ignore[arg-type]
        self.feeds[0].human.tell = lambda is_on, by: recorder.event("takeover" if is_on else "over", "", {"by": by})
        self.actor = ActLoop(
            self.seats, policy, self.runner, self.clock, self.latency, self.ready, budget_s=PERIOD_S, recorder=recorder
        )
        self.journal.begin()
        found = keep_weights(folder / "session", policy.tensors)
        way = {"version": 0, "sha256": found, "path": policy.chosen.as_builtins()["path"]}
        self.journal.offer(EventRecord(0.0, "weights", "", way), 0.0)
        policy.warm_up()
        policy.recorder.rows_total = policy.recorder._buffers[0].rows = 0  # type: ignore[union-attr]
        policy.recorder._buffers[0].open = False  # type: ignore[union-attr]
        self.game = ArenaGame()
        self.game.reset(3, start="run")

    def raise_ended(self) -> None:
        """Raise what ended a part, so that nothing waits for it."""
        for task in self.tasks:
            if task.done():
                task.result()
                raise AssertionError("a part of the session ended")

    async def tick(self, human: HumanInput) -> None:
        """One tick of the game: its packet, the answer, and what comes of it."""
        told, now_us = self.game.state(), round(self.clock.now_s() * 1e6)
        assert told.run is not None
        self.sequence = getattr(self, "sequence", 0) + 1
        run = msgspec.structs.replace(told.run, sequence=self.sequence, capture_time_us=now_us)
        self.tap.on_packet(Packet(msgspec.structs.replace(told, run=run, human=human), b""), self.clock.now_s())
        while self.feeds[0].ledger.pending:
            self.raise_ended()
            await asyncio.sleep(0)
        self.game.tick(self.sinks[0].actions[-1])
        if self.game.screen is not None:
            self.game.reset(self.sequence, start="run")
        await self.clock.advance(TICK_S)


def takeovers(rng: random.Random) -> list[HumanInput]:
    """What a person does in each tick: 20 times something for 1 to 15 ticks, and nothing for long between them."""
    ticks = []
    for _ in range(20):
        ticks += [REST] * rng.randint(65, 75)
        axes = (rng.choice([-1.0, 0.0]), rng.choice([-1.0, 1.0]))
        what = rng.choice([{"move": axes}, {"fire": True}, {"ability": True, "move": axes}, {"interact": True}])
        ticks += [pressed(**what)] * rng.choice([1, 2, 5, 15])
    return ticks + [REST] * 80


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[HumanInput], Piloted, list[DecisionRecord]]:
    folder, script = tmp_path_factory.mktemp("takeovers"), takeovers(random.Random(0))

    async def main() -> Piloted:
        table = Piloted(folder)
        async with table.running():
            for human in script:
                await table.tick(human)
        return table

    table = asyncio.run(main())
    table.journal.close()
    records = [item.record for item in records_of(folder / "session")]
    return script, table, [record for record in records if isinstance(record, DecisionRecord)]


def test_twenty_takeovers_are_acted_on_at_once_marked_and_over_a_second_after_release(
    played: tuple[list[HumanInput], Piloted, list[DecisionRecord]],
) -> None:
    script, table, decisions = played
    assert len(decisions) == len(script) and table.feeds[0].human.count == 20
    since = TAKEOVER_S + 1.0
    for human, decision, sent in zip(script, decisions, table.sinks[0].actions, strict=True):
        since = 0.0 if human.is_pressed else since + TICK_S
        if abs(since - TAKEOVER_S) < TICK_S / 2:
            continue
        by_human = since < TAKEOVER_S
        assert decision.owner == ("human" if by_human else "motor"), (since, decision.step)
        assert bool(decision.instead_of) == by_human
        if by_human:
            assert (sent.move, sent.look, sent.fire) == (human.move, (0.0, 0.0), human.fire)
            assert (sent.ability, sent.interact, sent.answers) == (human.ability, human.interact, decision.step)
            policys = decode_action(decision.instead_of[4:])
            assert policys is not None and any((*policys.move, *policys.look)) and decision.instead_of_owner == "motor"
        assert decode_action(decision.action[4:]) == sent


def test_takeovers_are_told_and_what_was_pressed_is_in_the_packets(
    played: tuple[list[HumanInput], Piloted, list[DecisionRecord]],
) -> None:
    script, table, _ = played
    records = [item.record for item in records_of(table.journal.folder)]
    told = [(r.kind, r.payload) for r in records if isinstance(r, EventRecord) and r.kind != "weights"]
    assert told == [("takeover", {"by": "game"}), ("over", {"by": "game"})] * 20
    assert [decode_state(r.state).human for r in records if isinstance(r, PacketRecord)] == script


def test_a_session_with_takeovers_replays_to_what_the_policy_would_have_done(
    played: tuple[list[HumanInput], Piloted, list[DecisionRecord]],
) -> None:
    script, table, _ = played
    result = Replayer(table.journal.folder).run()
    assert (result.decisions, result.different, result.skipped) == (len(script), 0, 0)


def test_what_a_person_does_is_in_no_rollout_of_the_policy(
    played: tuple[list[HumanInput], Piloted, list[DecisionRecord]],
) -> None:
    _, table, decisions = played
    recorder = table.policy.recorder  # type: ignore[attr-defined]
    rows = sum(map(len, table.rollouts)) + recorder._buffers[0].rows
    own = [d for d in decisions if d.owner == "motor"]
    # A decision is made in every fourth tick, and each takeover costs the one before it.
    assert len(own) / 4 - 25 < rows < len(own) / 4
    assert len(table.rollouts) >= 15
    for rollout in table.rollouts:
        assert check_rollout(rollout, recorder.features, table.policy.spec) == ""  # type: ignore[attr-defined]
        starts = np.flatnonzero(rollout.is_first)
        assert rollout.elapsed_s.max() < 0.2 and set(starts) <= {0}
    sent = {decode_action(d.action[4:]).move for d in own}  # type: ignore[union-attr]
    done = np.concatenate([r.actions_cont[:, :2] for r in table.rollouts])
    assert {tuple(map(float, move)) for move in done} <= sent


def test_a_press_between_two_answers_is_not_lost_and_is_sent_once() -> None:
    takeover = Takeover()
    takeover.on_state(state(1, human=pressed(fire=True)), 5.0)
    takeover.on_state(state(1, human=pressed(interact=True)), 5.005)
    takeover.on_state(state(2, human=REST), 5.01)
    assert takeover.is_on(5.02)
    assert takeover.action(2) == Action(fire=True, interact=True, answers=2)
    assert takeover.action(3) == Action(answers=3)


def test_what_the_game_does_by_itself_is_not_sent() -> None:
    human = pressed(move=(2.0, 0.5), look=(1.0, 0.0), fire=True, ui_click=True, click=(0.5, 0.5))
    assert relayed(state(1), human) == Action((1.0, 0.5), (0.0, 0.0), fire=True)
    assert relayed(msgspec.structs.replace(state(1), current_menu="LevelUp"), human) == NEUTRAL


def test_a_stick_that_rests_is_no_takeover_and_neither_is_a_game_that_tells_nothing() -> None:
    takeover = Takeover()
    for human in (None, REST, pressed(move=(0.05, -0.05))):
        takeover.on_state(state(1, human=human), 5.0)
    assert not takeover.is_on(5.0) and takeover.count == 0


def test_a_lost_connection_releases() -> None:
    async def main() -> None:
        table, told = Table(), []
        table.feeds[0].human.tell = lambda is_on, by: told.append(is_on)
        async with table.running():
            table.packet(1, human=pressed(move=(0.0, 1.0)))
            await table.settle()
            assert table.sinks[0].actions[-1].move == (0.0, 1.0)
            table.feeds[0].on_down("closed")
            table.feeds[0].on_up()
            table.packet(2)
            await table.settle()
            assert table.sinks[0].actions[-1] == Action((0.25, 0.0), answers=2)
        assert told == [True, False]

    asyncio.run(main())


def test_a_late_step_does_not_hold_up_a_person() -> None:
    import threading

    async def main() -> None:
        table = Table()
        table.policy.gate = threading.Event()
        async with table.running():
            table.packet(1, human=pressed(move=(0.0, 1.0)))
            for _ in range(20):
                await asyncio.sleep(0)
            await table.clock.advance(2 * PERIOD_S)
            while not table.sinks[0].actions:  # a step is late by the loop's own time
                await asyncio.sleep(0.001)
            assert table.sinks[0].actions == [Action((0.0, 1.0))], "before the policy answered"
            table.policy.gate.set()
            await table.settle()
            while len(table.sinks[0].actions) < 2:
                await asyncio.sleep(0.001)
            assert table.sinks[0].actions[1] == Action((0.0, 1.0), answers=1)

    asyncio.run(main())


def test_a_page_holds_what_it_renews_and_lets_go() -> None:
    takeover = Takeover()
    takeover.press(Action((0.0, 1.0), fire=True, click=(3, 4)), 5.0)
    assert takeover.is_on(5.0) and takeover.by == PAGE
    assert takeover.action(1) == Action((0.0, 1.0), fire=True, click=(3, 4), answers=1)
    takeover.hold(5.0 + RENEW_S / 2)
    assert takeover.action(2) == Action((0.0, 1.0), fire=True, answers=2), "held, and clicked once"
    takeover.hold(5.01 + RENEW_S)
    assert takeover.action(3) == Action(answers=3)
    takeover.press(Action((1.0, 0.0)), 6.0)
    takeover.let_go()
    assert takeover.is_on(7.0) and takeover.action(4) == Action(answers=4)
    assert not takeover.is_on(7.01)


@pytest.mark.parametrize(("at", "pixel"), [((0.0, 0.0), (0, 7)), ((1.0, 1.0), (7, 0)), ((0.5, 0.25), (4, 5))])
def test_clicks_are_in_pixels_of_the_capture(at: tuple[float, float], pixel: tuple[int, int]) -> None:
    assert click_of(state(1), at) == pixel
    assert click_of(state(1, run=None), at) is None
