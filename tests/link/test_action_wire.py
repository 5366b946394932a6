"""Desktop input crosses the wire behind the claim, and what is broken or unknown is no surprise."""

from __future__ import annotations

import pytest

from agent.core.errors import ProtocolError
from agent.core.types import KEY_ESC, Action, EnvAction, Keys, Pointer, Typed
from agent.games.hands import Hands
from agent.link.action_wire import ACX2_MAGIC, MAX_DESK_BYTES
from agent.link.wire import decode_action, encode_action

DESK = (Pointer(3, 700), Keys(((KEY_ESC, True), (KEY_ESC, False))), Typed("Größe 1"))


@pytest.mark.parametrize("answers", [None, 7])
@pytest.mark.parametrize("env", [None, EnvAction((0.5,), (1,))])
def test_desktop_input_is_read_as_it_was_sent(answers: int | None, env: EnvAction | None) -> None:
    action = Action(click=(1, 2), answers=answers, env=env, desk=DESK)
    assert decode_action(encode_action(action)[4:]) == action


def test_the_bytes_of_each_kind_are_those_of_the_format() -> None:
    head = (ACX2_MAGIC).to_bytes(4, "little")
    body = encode_action(Action(answers=9, desk=DESK))[4:]
    pointer = head + (9).to_bytes(4, "little") + b"\x01" + (3).to_bytes(4, "little") + (700).to_bytes(4, "little")
    keys = head + (8).to_bytes(4, "little") + b"\x02\x02\x01\x00\x01\x01\x00\x00"
    text = "Größe 1".encode()
    typed = head + (3 + len(text)).to_bytes(4, "little") + b"\x04" + len(text).to_bytes(2, "little") + text
    assert head == b"ACX2" and body[20:] == b"ACX1\x09\0\0\0" + pointer + keys + typed


def test_an_unknown_kind_is_skipped_and_a_longer_payload_is_read_as_far_as_it_is_known() -> None:
    plain = encode_action(Action())[4:]
    unknown = b"ACX2\x02\0\0\0\x63\x01"
    longer = b"ACX2\x0b\0\0\0\x01" + (3).to_bytes(4, "little") + (4).to_bytes(4, "little") + b"\xff\xff"
    assert decode_action(plain + unknown + longer) == Action(desk=(Pointer(3, 4),))


@pytest.mark.parametrize("cut", range(1, 14))
def test_input_that_is_cut_short_is_no_action(cut: int) -> None:
    whole = encode_action(Action(desk=(Pointer(3, 4),)))[4:]
    assert decode_action(whole[:-cut]) is None
    assert decode_action(whole[:20] + b"ACX2\x05\0\0\0\x02\x02\x01\x00\x01") is None
    assert decode_action(whole[:20] + b"ACX2\x04\0\0\0\x04\x01\x00\xff") is None


def test_input_that_does_not_fit_is_refused_by_size() -> None:
    with pytest.raises(ProtocolError, match="desk_size"):
        encode_action(Action(desk=(Typed("x" * MAX_DESK_BYTES),)))


def test_input_between_two_ticks_is_kept_in_order_and_applied_once() -> None:
    hands = Hands()
    for one in DESK:
        hands.receive(Action(desk=(one,)), 0.0)
    hands.receive(Action(fire=True), 0.0)
    assert hands.take(0.0).desk == DESK and hands.take(0.0).desk == ()
