"""What a part is where it overrides nothing: it begins, runs out, shows and serves nothing, and cannot be changed."""

from __future__ import annotations

import asyncio
from dataclasses import FrozenInstanceError, dataclass

import pytest

from agent.core.part import Part


@dataclass(frozen=True)
class Idle(Part):
    name = "idle"
    number: int = 3


def test_a_part_that_overrides_nothing_does_nothing() -> None:
    async def main() -> list[None]:
        part = Idle()
        return [await part.begin(), await part.run(), await part.finish(), part.close()]

    assert asyncio.run(main()) == [None] * 4
    assert (Idle().key, Idle().is_essential, Idle().status(), Idle().routes()) == ("", False, {}, ())


def test_a_part_cannot_be_wired_anew() -> None:
    with pytest.raises(FrozenInstanceError):
        Idle().number = 4  # type: ignore[misc]
