"""Seeded loops are found, and what only looks like one is not."""

from __future__ import annotations

import numpy as np
import pytest

from agent.journal.loops import Gains, Look, Loop, LoopFinder, Nodes, difference_hash
from tests.journal.export.test_rows import picture, state

HZ = 5


def walk(rng: np.random.Generator, seconds: int) -> list[tuple[object, bool, bool]]:
    """Play: new cells now and then, old ones crossed again, a kill every few seconds."""
    return [(("", 1, (int(i // 7 + rng.integers(3)), 0, int(rng.integers(1000))), None), i % 20 == 0, True)
            for i in range(seconds * HZ)]  # fmt: skip


def corner(rng: np.random.Generator, seconds: int) -> list[tuple[object, bool, bool]]:
    return [(("", 1, (-5, 0, -int(rng.integers(2))), None), False, True) for _ in range(seconds * HZ)]


def menus(rng: np.random.Generator, seconds: int) -> list[tuple[object, bool, bool]]:
    return [((("Main", "Options")[i // 4 % 2], 0, None, 7), False, i % 4 == 3) for i in range(seconds * HZ)]


def shop(rng: np.random.Generator, seconds: int) -> list[tuple[object, bool, bool]]:
    """In and out of a shop, three steps before its door."""
    round_ = [("Shop", 1, None, 9)] * 5 + [("", 1, (-9, 0, i), None) for i in (-1, -2, -3, -2, -1)]
    return [(round_[i % 10], False, True) for i in range(seconds * HZ)]


def waiting(rng: np.random.Generator, seconds: int) -> list[tuple[object, bool, bool]]:
    return [(("Pause", 1, None, 3), False, False)] * (seconds * HZ)


def fighting(rng: np.random.Generator, seconds: int) -> list[tuple[object, bool, bool]]:
    """On one spot, with kills."""
    return [(("", 1, (-7, 0, -7), None), i % 50 == 49, True) for i in range(seconds * HZ)]


def way_back(rng: np.random.Generator, seconds: int) -> list[tuple[object, bool, bool]]:
    """A long way out, and the same way back: nothing new, but no loop."""
    out = [(("", 1, (-20, 0, i // 5), None), False, True) for i in range(seconds * HZ // 2)]
    return out + out[::-1]


def found_in(stretches: list[list[tuple[object, bool, bool]]]) -> tuple[list[Loop], list[float]]:
    finder, loops, time_s, begins = LoopFinder(), [], 0.0, []
    for stretch in stretches:
        begins.append(time_s)
        for node, gained, acted in stretch:
            loops.append(finder.add(Look(time_s, node, gained, acted)))  # type: ignore[arg-type]
            time_s += 1 / HZ
    return [loop for loop in [*loops, finder.end()] if loop is not None], begins


def test_seeded_loops_are_found_and_nothing_else() -> None:
    seeded = found = right = said = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        kinds = [corner, menus, shop, waiting, fighting, way_back]
        order = rng.permutation(len(kinds))
        stretches, is_loop = [walk(rng, 30)], [False]
        for number in order:
            stretches += [kinds[number](rng, int(rng.integers(30, 90))), walk(rng, int(rng.integers(10, 40)))]
            is_loop += [number < 3, False]
        loops, begins = found_in(stretches)
        hits = set()
        for loop in loops:
            place = max(i for i, began_s in enumerate(begins) if began_s <= loop.began_s + 2.0)
            right += is_loop[place]
            hits.add(place)
        said += len(loops)
        seeded += sum(is_loop)
        found += sum(is_loop[place] for place in hits)
    assert found / seeded >= 0.95 and right / said >= 0.9, (found, seeded, right, said)


def test_a_loop_is_one_loop_with_all_its_states_and_the_time_that_it_cost() -> None:
    rng = np.random.default_rng(1)
    (loop,), (_, began_s, _) = found_in([walk(rng, 10), shop(rng, 60), walk(rng, 10)])
    assert len(loop.nodes) == 4 and loop.lost_s == pytest.approx(60.0, abs=4.0)
    assert loop.began_s == pytest.approx(began_s, abs=4.0) and loop.repeats >= 20 and len(loop.hash) == 16


def test_a_way_that_differs_by_a_step_is_the_same_way_and_a_new_one_beside_the_last_step_is_new() -> None:
    rng = np.random.default_rng(1)
    way = [abs(5 - i // 5 % 10) for i in range(50)]
    rounds = [(("", 1, (x, 0, int(i == 7 * k)), None), False, True) for k in range(6) for i, x in enumerate(way)]
    (loop,), (_, began_s, _) = found_in([walk(rng, 10), rounds, walk(rng, 10)])
    assert loop.began_s == pytest.approx(began_s, abs=11.0) and loop.lost_s > 45.0
    onwards = [(("", 1, (-i, 0, i // 3 % 2), None), False, True) for i in range(60 * HZ)]
    assert found_in([walk(rng, 10), onwards])[0] == []


def test_pictures_that_differ_by_little_are_one_state() -> None:
    rng = np.random.default_rng(1)
    first = rng.integers(0, 256, (90, 160, 3), np.uint8)
    noisy = np.clip(first.astype(int) + rng.integers(-8, 9, first.shape), 0, 255).astype(np.uint8)
    other = rng.integers(0, 256, (90, 160, 3), np.uint8)
    assert (difference_hash(first) ^ difference_hash(noisy)).bit_count() < 10
    nodes = Nodes()
    assert nodes.needs_picture("Menu", (0.0, 0.0, 0.0))
    made = [nodes.of("Menu", 0, (0.0, 0.0, 0.0), pixels, plays=False) for pixels in (first, noisy, other)]
    assert made[0] == made[1] != made[2]
    assert nodes.of("", 2, (5.0, 0.0, -1.0), first, plays=True) == ("", 2, (2, 0, -1), None)


def test_what_was_gained_between_two_looks_counts_once() -> None:
    gains = Gains()
    for tick, changes in enumerate([{}, {"kills": 1}, {"kills": 1}]):
        gains.note(state(tick, **changes))
    assert (gains.take(), gains.take()) == (True, False)
    gains.note(state(3, kills=1, gold=-0))
    assert not gains.take() and picture(1).shape == (18, 32, 3)
