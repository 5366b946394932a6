"""The codec against golden bytes, against any chunking, and against a second parser."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.errors import ProtocolError
from agent.core.types import Action, GameState, Packet, RunInfo, SceneInfo
from agent.link import wire
from agent.link.wire import (
    ActionDecoder,
    Limits,
    PacketDecoder,
    decode_action,
    decode_state,
    encode_action,
    encode_packet,
    encode_state,
)
from tests.link import oracle

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "bonklink.json").read_text(encoding="utf-8"))
STREAM = b"".join(bytes.fromhex(p["packet_hex"]) for p in GOLDEN["packets"])


def plain(state: GameState) -> dict[str, Any]:
    """A state as the second parser gives it."""
    out: dict[str, Any] = {
        "head": [*state.position, *state.velocity, state.health, state.max_health, state.game_time_s],
        "flags": [state.is_playing, state.is_paused],
        "enemies": [[float(v) for v in row] for row in state.enemies],
        "menu": state.current_menu,
        "options": list(state.level_up_options),
    }
    h, r, s = state.human, state.run, state.scene
    if h is not None:
        buttons = [h.fire, h.ability, h.interact, h.ui_click]
        out["human"] = [h.version, [*h.move, *h.look], buttons, [*h.click]]
    if r is not None:
        flags = r.rows_top_down | r.run_ended << 1 | r.run_won << 2 | r.run_truncated << 3 | r.flags_reserved & 0xFF
        sizes = [*r.capture_size_px, *r.screen_size_px]
        out["run"] = [r.sequence, r.capture_time_us, *sizes, flags, r.level, r.xp_fraction, r.kills, r.gold]
        out["run"] += [r.damage_dealt, r.damage_taken, r.run_seed, r.reward, r.frame_time_us]
    if s is not None:
        objects = zip(s.object_kinds, s.object_positions, strict=True)
        rows = [[int(k), *map(float, p)] for k, p in objects]
        out["scene"] = [[s.camera_yaw_rad, s.camera_pitch_rad], list(s.enemy_kinds), rows]
    return {**out, "unknown": state.unknown}


@pytest.mark.parametrize("golden", GOLDEN["packets"])
def test_every_golden_packet_decodes_to_its_values_and_encodes_to_its_bytes(golden: dict[str, Any]) -> None:
    data = bytes.fromhex(golden["packet_hex"])
    (packet,) = PacketDecoder().feed(data)
    wanted = golden["state"]
    state = packet.state
    assert list(state.position) == wanted["position"]
    assert state.health == wanted["health"]
    assert [list(map(float, row)) for row in state.enemies] == wanted["enemies"]
    assert list(state.level_up_options) == wanted["level_up_options"]
    assert (state.run is None) == (wanted["blx1"] is None)
    if state.run is not None:
        blx1 = wanted["blx1"]
        assert state.run.sequence == blx1["sequence"]
        assert state.run.reward == blx1["reward"]
        assert state.run.run_seed == blx1["seed"]
        assert state.run.rows_top_down == bool(blx1["flags"] & 1)
    if state.scene is not None:
        assert [int(k) for k in state.scene.enemy_kinds] == wanted["blx2"]["kinds"]
        assert [int(k) for k in state.scene.object_kinds] == [o[0] for o in wanted["blx2"]["objects"]]
    if state.human is not None:
        assert list(state.human.click) == wanted["hinp"]["click"]
    assert state.unknown.hex() == wanted["unknown_hex"]
    assert packet.frame.hex() == golden["frame_hex"]
    assert encode_packet(state, packet.frame) == data


@pytest.mark.parametrize("golden", GOLDEN["actions"])
def test_every_golden_action_passes_both_ways(golden: dict[str, Any]) -> None:
    data = bytes.fromhex(golden["hex"])
    (action,) = ActionDecoder().feed(data)
    wanted = golden["action"]
    assert list(action.move) == wanted["move"]
    assert (None if action.click is None else list(action.click)) == wanted["click"]
    assert action.answers == wanted["answers"]
    assert encode_action(action) == data


def test_an_end_by_a_time_limit_is_flag_8_of_blx1() -> None:
    run = next(p for p in PacketDecoder().feed(STREAM) if p.state.run is not None).state
    assert run.run is not None
    base = msgspec.structs.replace(run.run, rows_top_down=False, run_ended=True, run_won=False, flags_reserved=0)
    bodies = [
        encode_state(msgspec.structs.replace(run, run=msgspec.structs.replace(base, run_truncated=cut)))
        for cut in (False, True)
    ]
    (differing,) = [(a, b) for a, b in zip(*bodies, strict=True) if a != b]
    assert differing == (2, 2 | 8)
    decoded = [decode_state(body).run for body in bodies]
    assert [r.run_truncated for r in decoded if r is not None] == [False, True]
    assert all(r is not None and r.run_ended and r.flags_reserved == 0 for r in decoded)


def summary(packets: list[Packet]) -> list[bytes]:
    return [encode_packet(p.state, p.frame) for p in packets]


@given(st.lists(st.integers(1, 900), min_size=1, max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_chunking_of_the_stream_gives_the_same_packets(sizes: list[int]) -> None:
    decoder, packets, at, k = PacketDecoder(), [], 0, 0
    while at < len(STREAM):
        size = sizes[k % len(sizes)]
        packets += decoder.feed(STREAM[at : at + size])
        at, k = at + size, k + 1
    assert b"".join(summary(packets)) == STREAM
    assert not decoder.mid_packet


def test_every_split_of_a_packet_and_single_bytes_give_the_same_packet() -> None:
    packet = min((bytes.fromhex(p["packet_hex"]) for p in GOLDEN["packets"] if p["state"]["blx2"]), key=len)
    for cut in range(1, len(packet)):
        decoder = PacketDecoder()
        first = decoder.feed(packet[:cut])
        assert first == [] and decoder.mid_packet
        assert summary(decoder.feed(packet[cut:])) == [packet]
    drip = PacketDecoder()
    assert summary([p for i in range(len(packet)) for p in drip.feed(packet[i : i + 1])]) == [packet]


REAL = st.floats(width=32, allow_nan=False, allow_infinity=False)
NAME = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@st.composite
def states(draw: st.DrawFn) -> GameState:
    n = draw(st.integers(0, 12))
    m = draw(st.integers(0, 6))
    run = scene = None
    if draw(st.booleans()):
        u32 = st.integers(0, 2**32 - 1)
        size = st.tuples(st.integers(0, 65535), st.integers(0, 65535))
        run = RunInfo(
            draw(u32), draw(st.integers(0, 2**64 - 1)), draw(size), draw(size), *[draw(st.booleans()) for _ in "abc"],
            draw(st.integers(0, 65535)), draw(REAL), draw(u32), draw(u32), draw(REAL), draw(REAL),
            draw(st.integers(0, 2**64 - 1)), draw(REAL), frame_time_us=draw(st.integers(0, 2**64 - 1)),
        )  # fmt: skip
    if draw(st.booleans()):
        kinds = np.array(draw(st.lists(st.integers(0, 255), min_size=n, max_size=n)), np.uint8)
        objects = np.array(draw(st.lists(st.integers(0, 255), min_size=m, max_size=m)), np.uint8)
        places = np.array(draw(st.lists(REAL, min_size=3 * m, max_size=3 * m)), np.float32).reshape(m, 3)
        scene = SceneInfo(draw(REAL), draw(REAL), kinds, objects, places)
    rows = np.array(draw(st.lists(REAL, min_size=4 * n, max_size=4 * n)), np.float32).reshape(n, 4)
    vector = st.tuples(REAL, REAL, REAL)
    return GameState(
        draw(vector), draw(vector), draw(REAL), draw(REAL), draw(REAL), draw(st.booleans()), draw(st.booleans()), rows,
        draw(NAME), tuple(draw(st.lists(NAME, max_size=4))), None, run, scene,
    )  # fmt: skip


@given(states())
@settings(max_examples=400, deadline=None)
def test_every_valid_state_survives_the_round_trip(state: GameState) -> None:
    data = encode_state(state)
    assert plain(decode_state(data)) == plain(state)
    assert encode_state(decode_state(data)) == data


def decide(data: bytes) -> tuple[dict[str, Any], bytes] | None:
    """What the fast parser makes of bytes that should be one packet."""
    decoder = PacketDecoder()
    try:
        packets = decoder.feed(data)
    except ProtocolError:
        return None
    if len(packets) != 1 or decoder.mid_packet:
        return None
    return plain(packets[0].state), packets[0].frame


def expect(data: bytes) -> tuple[dict[str, Any], bytes] | None:
    try:
        return oracle.parse_packet(data)
    except oracle.Refused:
        return None


def mutate(rng: random.Random, data: bytes) -> bytes:
    """One to three changes: bits, bytes, cuts, insertions, interesting integers."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(out)) if out else 0
        kind = rng.randrange(6)
        if kind <= 1 and out:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 2 and out:
            out[at] = rng.randrange(256)
        elif kind == 3:
            del out[at : at + rng.randint(1, 8)]
        elif kind == 4:
            out[at:at] = rng.randbytes(rng.randint(1, 8))
        else:
            out[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\xc0\x7f"])
    return bytes(out)


SMALL = [d for d in (bytes.fromhex(p["packet_hex"]) for p in GOLDEN["packets"]) if len(d) < 700]


def test_mutated_packets_are_judged_as_the_second_parser_judges_them() -> None:
    rng = random.Random(20261124)
    accepted = refused = 0
    for _ in range(20_000):
        data = mutate(rng, rng.choice(SMALL))
        fast = decide(data)
        assert fast == expect(data), data.hex()
        accepted += fast is not None
        refused += fast is None
    assert accepted > 600 and refused > 600


@pytest.mark.parametrize("count", [50_000, pytest.param(1_000_000, marks=pytest.mark.campaign)])
@pytest.mark.timeout(600)
def test_mutated_packets_raise_nothing_but_protocol_errors(count: int) -> None:
    rng = random.Random(7)
    decided = 0
    for _ in range(count):
        data = bytearray(rng.choice(SMALL))
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            PacketDecoder().feed(data)
        except ProtocolError:
            pass
        decided += 1
    assert decided == count


def test_without_the_finite_check_the_second_parser_disagrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire.math, "isfinite", lambda value: True)
    data = bytearray(SMALL[0])
    data[4:8] = b"\0\0\xc0\x7f"
    with pytest.raises(oracle.Refused):
        oracle.parse_packet(bytes(data))
    assert PacketDecoder().feed(data)


@pytest.mark.parametrize("place", ["head", "enemy", "object"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_refused_wherever_it_stands(place: str, bad: float) -> None:
    enemies = np.zeros((2, 4), np.float32)
    places = np.zeros((1, 3), np.float32)
    if place == "enemy":
        enemies[1, 3] = bad
    if place == "object":
        places[0, 2] = bad
    health = bad if place == "head" else 1.0
    scene = SceneInfo(0.0, 0.0, np.zeros(2, np.uint8), np.ones(1, np.uint8), places)
    state = GameState((0, 0, 0), (0, 0, 0), health, 1.0, 0.0, True, False, enemies, "", (), None, None, scene)
    with pytest.raises(ProtocolError, match="not_finite"):
        decode_state(encode_state(state))


def test_limits_are_errors_with_a_reason_and_can_be_raised() -> None:
    enemies = np.zeros((30, 4), np.float32)
    state = GameState((0, 0, 0), (0, 0, 0), 1.0, 1.0, 0.0, True, False, enemies, "", ())
    data = encode_packet(state, bytes(100))
    with pytest.raises(ProtocolError, match="enemy_count"):
        PacketDecoder(Limits(max_enemies=29)).feed(data)
    with pytest.raises(ProtocolError, match="frame_size"):
        PacketDecoder(Limits(max_frame_bytes=99)).feed(data)
    assert len(PacketDecoder(Limits(max_enemies=30, max_frame_bytes=100)).feed(data)) == 1


def test_a_decoder_that_has_refused_once_takes_nothing_more() -> None:
    decoder = PacketDecoder()
    with pytest.raises(ProtocolError, match="state_size"):
        decoder.feed(b"\0\0\0\0")
    with pytest.raises(ProtocolError, match="after_error"):
        decoder.feed(SMALL[0])


def test_an_oversized_action_is_skipped_whole_and_the_next_one_is_read() -> None:
    decoder = ActionDecoder()
    action = Action(move=(0.5, -0.5), fire=True, answers=9)
    stream = (5000).to_bytes(4, "little") + bytes(5000) + encode_action(action)
    got = [a for i in range(0, len(stream), 97) for a in decoder.feed(stream[i : i + 97])]
    assert got == [action] and decoder.oversized == 1


def test_an_action_that_is_short_or_not_finite_is_no_action() -> None:
    whole = encode_action(Action(click=(3, 4)))[4:]
    assert decode_action(whole) == Action(click=(3, 4))
    assert decode_action(whole[:27]) is None
    assert decode_action(b"\0\0\xc0\x7f" + whole[4:]) is None
