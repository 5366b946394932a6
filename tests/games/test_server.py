"""The game's side of the wire: pace, clients, hands, and what it counts."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from agent.core.clock import SystemClock
from agent.core.errors import GameError
from agent.core.types import NEUTRAL, TAKEOVER_S, Action, GameState, HumanInput, RunInfo
from agent.games.hands import HOLD_S, LAPSE_S, Hands, Ownership
from agent.games.server import GameServer, ServerOptions
from agent.link.endpoint import Endpoint
from agent.link.imaging import decode_frame
from agent.link.wire import PacketDecoder, encode_action
from agent.setup.find_game import answers_as_game


class Counter:
    """A game that counts its ticks and remembers what it was told; every fifth tick ends a run with a reward of 1."""

    name = "counter"
    rules = "1"
    tick_s = 1 / 60
    capture_size_px = (96, 84)

    truncated_ends: tuple[int, ...] = ()

    def __init__(self) -> None:
        self.actions: list[Action] = []

    def reset(self, seed: int, *, start: str = "menu") -> None:
        self.actions.clear()

    def tick(self, action: Action) -> None:
        self.actions.append(action)

    def state(self) -> GameState:
        n = len(self.actions)
        ended = n > 0 and n % 5 == 0
        cut = ended and n // 5 in self.truncated_ends
        run = RunInfo(0, 0, (0, 0), (0, 0), True, ended, False, 1, 0.0, n, 0, 0.0, 0.0, 7, float(ended), 0, cut)
        nobody = np.zeros((0, 4), np.float32)
        return GameState((float(n), 0, 0), (0, 0, 0), 1.0, 1.0, n / 60, True, False, nobody, "", (), run=run)

    def render(self) -> np.ndarray:
        picture = np.zeros((84, 96, 3), np.uint8)
        picture[:42] = (250, 20, 20)
        return picture

    def close(self) -> None:
        return


class Client:
    """A plain client of the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.decoder = PacketDecoder()
        self.waiting: list[Any] = []

    async def packet(self) -> Any:
        while not self.waiting:
            data = await self.reader.read(1 << 16)
            assert data, "the server closed"
            self.waiting += self.decoder.feed(data)
        return self.waiting.pop(0)

    def act(self, **values: Any) -> None:
        self.writer.write(encode_action(Action(**values)))


Check = Callable[[GameServer, Counter, Callable[[], Awaitable[Client]]], Awaitable[None]]


def served(check: Check, human: Callable[[], Any] = lambda: None, **options: Any) -> None:
    """Run `check` beside a server; both end with it."""

    async def main() -> None:
        game = Counter()
        server = GameServer(game, ServerOptions(port=0, **options), SystemClock(), human=human)
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(server.run(port.set_result))
        writers = []

        async def connect() -> Client:
            reader, writer = await asyncio.open_connection("127.0.0.1", await port)
            writers.append(writer)
            return Client(reader, writer)

        try:
            async with asyncio.timeout(120):
                await check(server, game, connect)
        finally:
            for writer in writers:
                writer.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


def test_in_lock_step_the_game_waits_for_the_answer_to_each_packet() -> None:
    async def check(server: GameServer, game: Counter, connect: Any) -> None:
        client = await connect()
        first = await client.packet()
        await asyncio.sleep(0.05)
        assert game.actions == [] and server.report.packets == 1
        for step in range(20):
            client.act(move=(step / 20, 0.0), answers=first.state.run.sequence)
            first = await client.packet()
        assert [a.move[0] for a in game.actions] == pytest.approx([s / 20 for s in range(20)])
        assert first.state.run.capture_time_us == round(first.state.run.sequence / 60 * 1e6)
        assert first.state.run.frame_time_us == 0, "there was no picture"
        assert server.report.answered == 20

    served(check, mode="lock-step", frame_hz=0)


def test_an_answer_to_an_older_packet_does_not_advance_a_game_in_lock_step() -> None:
    async def check(server: GameServer, game: Counter, connect: Any) -> None:
        client = await connect()
        sequence = (await client.packet()).state.run.sequence
        client.act(answers=sequence)
        await client.packet()
        client.act(answers=sequence)
        await asyncio.sleep(0.05)
        assert len(game.actions) == 1

    served(check, mode="lock-step", frame_hz=0)


def test_every_sixth_packet_has_a_picture_that_arrives_upright_in_both_formats() -> None:
    for frame_format in ("jpeg", "raw_rgb"):

        async def check(server: GameServer, game: Counter, connect: Any) -> None:
            client = await connect()
            packets = []
            for _ in range(13):
                packets.append(await client.packet())
                client.act(answers=packets[-1].state.run.sequence)
            framed = [p for p in packets if p.frame]
            assert len(framed) == 2
            assert [p.state.run.frame_time_us for p in packets if p.frame] == [
                p.state.run.capture_time_us for p in framed
            ]
            pixels = decode_frame(framed[0].frame, framed[0].state.run.rows_top_down)
            assert pixels[10, 48, 0] > 200 and pixels[70, 48, 0] < 50

        served(check, mode="lock-step", frame_hz=10.0, frame_format=frame_format)


def test_watchers_get_packets_and_never_cut_off_a_player_and_the_next_player_inherits_nothing() -> None:
    async def check(server: GameServer, game: Counter, connect: Any) -> None:
        player, sent = await connect(), 0
        for _ in range(20):
            assert await answers_as_game(Endpoint("127.0.0.1", server.port))
            second = await connect()
            for _ in range(3):
                player.act(move=(0.5, 0.0), fire=True)
                sent += 1
                await player.packet()
                second.act(move=(-1.0, -1.0))
                await second.packet()
            second.writer.close()
        while server.report.actions < sent:
            await player.packet()
        assert server.report.actions == sent == 60 and {a.move[0] for a in game.actions} <= {0.0, 0.5}
        last = await connect()
        await last.packet()
        player.writer.close()
        while len(server._clients) > 1:
            await last.packet()
        game.actions.clear()
        while len(game.actions) < 3:
            await last.packet()
        assert set(game.actions) == {NEUTRAL}
        last.act(move=(1.0, 0.0))
        while not any(a.move[0] == 1.0 for a in game.actions):
            await last.packet()

    served(check, mode="real-time", frame_hz=0)


def test_in_lock_step_watchers_answer_for_nobody_and_are_told_each_reward_once() -> None:
    async def check(server: GameServer, game: Counter, connect: Any) -> None:
        watcher, player = await connect(), await connect()
        told = (await player.packet()).state.run
        rewards: list[float] = []
        for _ in range(20):
            player.act(move=(0.5, 0.0), answers=told.sequence)
            told = (await player.packet()).state.run
            watcher.act(move=(-1.0, 0.0), answers=told.sequence)
            rewards.append(told.reward)
        assert await answers_as_game(Endpoint("127.0.0.1", server.port)), "also while the player thinks"
        assert {a.move[0] for a in game.actions} == {0.5} and len(game.actions) == 20 and sum(rewards) == 4
        player.writer.close()
        seen = [(await watcher.packet()).state.run]
        while server._ownership.owner is not None or seen[-1].sequence < server._sequence:
            seen.append((await watcher.packet()).state.run)
        assert sum(r.reward for r in seen) == 4 and sum(r.run_ended for r in seen) == 4
        watcher.act(move=(-1.0, 0.0), answers=server._sequence)
        while len(game.actions) == 20:
            await watcher.packet()

    served(check, mode="lock-step", frame_hz=0)


def test_a_client_takes_over_only_from_one_that_is_silent_while_it_goes_on_acting() -> None:
    ownership = Ownership()
    assert ownership.claim("a", 0.0) and not ownership.claim("b", 100.0)
    assert not ownership.claim("b", 110.0), "one action now and then is not acting"
    times = np.arange(111.5, 111.5 + LAPSE_S + 1.0, 0.5)
    assert [bool(ownership.claim("b", t)) for t in times].index(True) == 10
    assert not ownership.claim("a", 118.0) and ownership.owner == "b"
    for t in np.arange(119.0, 140.0, 0.5):
        assert ownership.claim("b", t) and not ownership.claim("a", t)
    assert ownership.leave("b") and not ownership.leave("a") and ownership.claim("a", 140.0)


def test_rewards_and_ends_of_packets_that_could_not_be_sent_are_carried_by_the_next() -> None:
    async def check(server: GameServer, game: Counter, connect: Any) -> None:
        client = await connect()
        sequence = (await client.packet()).state.run.sequence
        transport = server._clients[0].transport
        assert transport is not None
        transport.get_write_buffer_size = lambda: 1  # type: ignore[attr-defined, method-assign]
        for _ in range(7):
            server._tick()
        del transport.get_write_buffer_size  # type: ignore[attr-defined]
        client.act(answers=sequence)
        server._tick()
        state = (await client.packet()).state
        assert state.run.run_ended and state.run.reward == 1.0 and server.report.packets_dropped == 7

    served(check, mode="lock-step", frame_hz=0)


def test_a_time_limit_that_could_not_be_sent_is_carried_as_one_and_the_first_end_decides() -> None:
    async def check(server: GameServer, game: Counter, connect: Any) -> None:
        game.truncated_ends = (1,)
        client = await connect()
        await client.packet()
        transport = server._clients[0].transport
        assert transport is not None
        told = []
        for ticks in (6, 4):
            transport.get_write_buffer_size = lambda: 1  # type: ignore[attr-defined, method-assign]
            for _ in range(ticks):
                server._tick()
            del transport.get_write_buffer_size  # type: ignore[attr-defined]
            server._tick()
            run = (await client.packet()).state.run
            told.append((run.run_ended, run.run_truncated))
        assert told == [(True, True), (True, False)]

    served(check, mode="lock-step", frame_hz=0)


def test_bytes_that_are_no_action_end_the_client_and_the_game_goes_on() -> None:
    async def check(server: GameServer, game: Counter, connect: Any) -> None:
        client = await connect()
        await client.packet()
        client.writer.write(struct.pack("<i", 2000) + b"\0" * 2000)
        client.act(move=(0.5, 0.0))
        for _ in range(4):
            await client.packet()
        assert server.report.oversized == 1 and any(a.move[0] == 0.5 for a in game.actions)
        client.writer.write(struct.pack("<i", -1))
        assert await client.reader.read() is not None
        ticks = len(game.actions)
        await (await connect()).packet()
        assert len(game.actions) > ticks

    served(check, mode="real-time", frame_hz=0)


def test_a_port_that_is_taken_is_named() -> None:
    async def check(server: GameServer, game: Counter, connect: Any) -> None:
        await connect()
        second = GameServer(Counter(), ServerOptions(port=server.port), SystemClock())
        with pytest.raises(GameError, match=str(server.port)):
            await second.run()

    served(check, mode="real-time")


def test_presses_and_clicks_are_latched_until_the_tick_and_silence_is_neutral() -> None:
    hands = Hands()
    hands.receive(Action(fire=True, click=(3, 4)), 0.0)
    hands.receive(Action(move=(0.5, 0.0)), 0.01)
    taken = hands.take(0.02)
    assert taken.fire and taken.click == (3, 4) and taken.move == (0.5, 0.0)
    again = hands.take(0.03)
    assert not again.fire and again.click is None and again.move == (0.5, 0.0)
    assert hands.take(0.01 + HOLD_S + 0.001) == NEUTRAL
    hands.receive(Action(interact=True), 1.0)
    hands.clear()
    assert hands.take(1.0) == NEUTRAL


def test_an_action_is_still_held_when_the_next_tick_of_a_slow_game_comes() -> None:
    """At three ticks a second 150 ms end before the tick that an action was made for."""
    hands = Hands(tick_s=1 / 3)
    hands.receive(Action(move=(1.0, 0.0)), 0.01)
    assert hands.take(1 / 3).move == (1.0, 0.0) and hands.take(0.7) == NEUTRAL
    hands.clear()
    hands.receive(Action(move=(1.0, 0.0)), 1.0)
    assert hands.take(1.0 + 1 / 3).move == (1.0, 0.0), "also of the next client"


def test_a_press_at_the_game_goes_before_the_clients_actions_until_a_second_after_it() -> None:
    presses, ticks = {5: "fire", 100: "interact", 200: "fire", 201: "look"}, iter(range(1000))

    def human() -> tuple[Action, HumanInput]:
        what = presses.get(next(ticks), "")
        action = Action(look=(float(what == "look"), 0.0), fire=what == "fire", interact=what == "interact")
        told = HumanInput(1, (0.0, 0.0), action.look, action.fire, False, action.interact, False, (0.0, 0.0))
        return action, told

    async def check(server: GameServer, game: Counter, connect: Any) -> None:
        client, trailers = await connect(), []
        for _ in range(300):
            told = await client.packet()
            trailers.append(told.state.human)
            client.act(move=(0.5, 0.0), ability=True, answers=told.state.run.sequence)
        mine = [n for n, action in enumerate(game.actions) if not action.ability]
        held = round(TAKEOVER_S / game.tick_s)
        assert mine == [*range(5, 6 + held), *range(100, 101 + held), *range(200, 202 + held)]
        assert {n for n, a in enumerate(game.actions) if a.fire or a.interact or a.look[0]} == presses.keys()
        assert {n for n, each in enumerate(trailers[1:]) if each.is_pressed} == presses.keys()
        assert server.report.human_ticks == len(mine)

    served(check, human, mode="lock-step")


def test_a_person_plays_while_no_client_does() -> None:
    def human() -> tuple[Action, HumanInput]:
        return NEUTRAL, HumanInput(1, (0.0, 0.0), (0.0, 0.0), False, False, False, False, (0.0, 0.0))

    async def check(server: GameServer, game: Counter, connect: Any) -> None:
        client = await connect()
        await client.packet()
        while not any(action.ability for action in game.actions):
            client.act(ability=True)
            await client.packet()
        assert 0 < server.report.human_ticks == next(n for n, a in enumerate(game.actions) if a.ability)

    served(check, human, mode="real-time")
