"""A look tells the place, the gains and the deeds since the one before, of what a recording and of what play shows."""

from __future__ import annotations

import msgspec
import pytest

from agent.core.types import Action, ByteArray
from agent.journal.looks import Looks, is_acting
from tests.journal.export.test_rows import NO_INPUT, picture, state


@pytest.mark.parametrize(
    ("action", "acts"),
    [
        (Action(), False), (Action(fire=True, ability=True), False), (Action((0.0, 0.1)), True),
        (Action(look=(0.1, 0.0)), True),
        (Action(interact=True), True), (Action(click=(0, 0)), True),
    ],
)  # fmt: skip
def test_a_held_button_is_no_deed_that_leads_out_of_a_loop(action: Action, acts: bool) -> None:
    assert is_acting(action) is acts


def test_looks_are_five_a_second_and_carry_what_happened_between_them() -> None:
    looks, made = Looks(), []
    for tick in range(60):
        seen = msgspec.structs.replace(state(tick, kills=tick // 30), position=(tick / 3, 0.0, 0.0))
        looks.note(seen, tick / 60)
        looks.add(acted=tick == 13)
        if looks.is_due(tick / 60):
            made.append(looks.look(tick / 60, seen, lambda: picture(1), tick / 60))
    assert [look.time_s for look in made] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8], abs=0.04)
    assert [look.acted for look in made] == [False, False, True, False, False]
    assert [look.gained for look in made] == [False, False, False, True, False]
    assert [look.node[2] for look in made][1:] == [(2, 0, 0), (4, 0, 0), (6, 0, 0), (8, 0, 0)]
    looks.add(acted=False, gained=True)
    assert looks.is_due(0.1 - 1.0), "the clock began anew"
    assert looks.look(0.0, state(61, kills=1), lambda: None, None).gained


def test_a_person_acts_too_and_a_picture_is_asked_for_only_where_it_counts() -> None:
    looks, asked = Looks(), list[int]()

    def show() -> ByteArray:
        asked.append(1)
        return picture(3)

    moved = msgspec.structs.replace(state(0), human=msgspec.structs.replace(NO_INPUT, move=(1.0, 0.0)))
    looks.note(moved, 0.0)
    assert looks.look(0.1, moved, show, 0.1).acted and len(asked) == 1, "no position was seen to change"
    away = msgspec.structs.replace(state(1), position=(9.0, 0.0, 0.0))
    assert not looks.look(0.2, away, show, 0.2).acted and len(asked) == 1
    opened = state(2, menu="Pause")
    looks.note(opened, 0.4)
    assert looks.look(0.4, opened, show, 0.4).node == ("Pause", 1, None, None), "the picture may be of before"
    assert looks.look(0.6, opened, show, 0.5).node[3] is not None and len(asked) == 2
