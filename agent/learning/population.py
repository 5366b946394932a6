"""Hyper-parameters of a population as functions: drawn, perturbed, kept in bounds, and who copies whom.

A population is some groups of members that differ in how often they are compared (MF-PBT): a member of a slower group
takes weights from a faster one, but keeps its own group's best hyper-parameters, which then are judged over more steps.
Numbers only; owns no training and imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
import numpy as np

from agent.core.errors import SettingsError

Value = float | bool
Values = dict[str, Value]
QUANTILE: Final = 0.25
RESAMPLE: Final = 0.25
FACTORS: Final = (0.8, 1.25)
MAX_DISCOUNT: Final = 0.99999


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="number"):
    """A number from `low` to `high`, which `start` begins with; without one it is drawn.

    scale: `log` is drawn and perturbed by factors; `linear` is drawn evenly and perturbed by factors, so 0 stays 0 but
    for draws; `discount` is below 1, and 1 − x is drawn and perturbed as `log`.
    """

    low: float
    high: float
    scale: Literal["log", "linear", "discount"] = "log"
    start: float | None = None


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="switch"):
    """Something that is on or off; `start` begins with it, without one it is drawn."""

    start: bool | None = None


Spaces = Mapping[str, Range | Switch]


def check_spaces(spaces: Spaces, known: Mapping[str, tuple[float, float]]) -> None:
    """Raise SettingsError where a name is unknown or a range has no order; known: the widest bounds, by name."""
    for name, space in spaces.items():
        if name not in known:
            raise SettingsError(f"search.{name}: there are {', '.join(sorted(known))}")
        if isinstance(space, Switch):
            continue
        low, high = known[name]
        highest = min(high, MAX_DISCOUNT) if space.scale == "discount" else high
        if not low <= space.low < space.high <= highest:
            raise SettingsError(f"search.{name}: {space.low:g} to {space.high:g}; {low:g} to {highest:g} is possible")
        if space.scale == "log" and space.low <= 0:
            raise SettingsError(f'search.{name}: from {space.low:g} on a scale of factors; name scale = "linear"')
        if space.start is not None and not space.low <= space.start <= space.high:
            raise SettingsError(f"search.{name}: start {space.start:g} is not from {space.low:g} to {space.high:g}")


def _drawn(space: Range | Switch, rng: np.random.Generator) -> Value:
    if isinstance(space, Switch):
        return bool(rng.random() < 0.5)
    share = float(rng.random())
    if space.scale == "linear":
        return space.low + share * (space.high - space.low)
    if space.scale == "discount":
        near, far = math.log(1.0 - space.high), math.log(1.0 - space.low)
        return _within(space, 1.0 - math.exp(near + share * (far - near)))
    low, high = math.log(space.low), math.log(space.high)
    return _within(space, math.exp(low + share * (high - low)))


def _within(space: Range, value: float) -> float:
    return min(max(float(value), space.low), space.high)


def begin(spaces: Spaces, rng: np.random.Generator) -> Values:
    """What a member begins with: the starts that are told, the others drawn."""
    return {n: _drawn(s, rng) if s.start is None else s.start for n, s in spaces.items()}


def perturb(
    values: Values, spaces: Spaces, rng: np.random.Generator, *, resample: float = RESAMPLE,
    factors: tuple[float, float] = FACTORS,
) -> Values:  # fmt: skip
    """Each value drawn anew with chance `resample`, else times one of the factors; switches are drawn or stay."""
    changed: Values = {}
    for name, space in spaces.items():
        value = values[name]
        if rng.random() < resample:
            changed[name] = _drawn(space, rng)
        elif isinstance(space, Switch):
            changed[name] = bool(value)
        else:
            factor = factors[int(rng.integers(2))]
            moved = 1.0 - (1.0 - value) / factor if space.scale == "discount" else value * factor
            changed[name] = _within(space, moved)
    return changed


def clip(proposed: Mapping[str, float | bool], values: Values, spaces: Spaces) -> Values:
    """What somebody else proposes, within bounds; what is missing or not finite is as before."""
    found: Values = {}
    for name, space in spaces.items():
        value = proposed.get(name, values[name])
        if isinstance(space, Switch):
            found[name] = bool(value >= 0.5)
        else:
            found[name] = _within(space, value) if math.isfinite(value) else values[name]
    return found


class Standing(msgspec.Struct, frozen=True):
    """A member as it is compared. fitness None: not measured since it last changed; period: of its group."""

    member: int
    group: int
    period: int
    fitness: float | None


class Copy(msgspec.Struct, frozen=True):
    """`member` takes the weights of `parent`, and begins its search at the hyper-parameters of `values_of`."""

    member: int
    parent: int
    values_of: int


def copy_for(
    member: int, standings: Sequence[Standing], rng: np.random.Generator, *, quantile: float = QUANTILE
) -> Copy | None:
    """Whom a member copies that is due; None where it is not among its group's worst, or nobody is better.

    Only members that were measured are copied, and at least two of a group must have been. A member whose training
    broke down has the fitness −∞.
    """
    me = next(s for s in standings if s.member == member)
    measured = [s for s in standings if s.fitness is not None]
    group = sorted((s for s in measured if s.group == me.group), key=_fitness)
    if me.fitness is None or len(group) < 2:
        return None
    count = max(1, int(quantile * len(group)))
    if me.member not in [s.member for s in group[:count]]:
        return None
    own = group[-1]
    parent = group[len(group) - 1 - int(rng.integers(count))]
    others = [s for s in measured if s.group != me.group]
    best = max(others, key=_fitness, default=parent)
    values_of = parent
    if _fitness(best) > _fitness(own):
        parent, values_of = best, own if best.period < me.period else best
    if _fitness(parent) <= _fitness(me):
        return None
    return Copy(member, parent.member, values_of.member)


def _fitness(standing: Standing) -> float:
    return -math.inf if standing.fitness is None else standing.fitness
