"""Skills beside play: those that fit are ready before play, others are refused with a reason that /status shows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from agent.store.in_play.part import LOOK_S, SkillsOff
from tests.store.in_play.play import BASE, Play


def test_skills_of_another_base_or_policy_are_refused_and_shown(tmp_path: Path) -> None:
    play = Play(tmp_path, bow=("weapon:Bow", 1.0))
    play.save("old", "weapon:Sword", 1.0, base=BASE | {"gain": np.ones(4, np.float32)})
    play.save("motors", "weapon:Axe", 1.0, of="motor")
    asyncio.run(play.part.begin())
    status = play.part.status()
    assert status["skills"] == ["bow"] and status["is_on"] and status["playing"] == [[], []]
    assert "was made from the weights" in status["refused"]["old"]
    assert "is of a motor, a pilot plays" in status["refused"]["motors"]
    play.close()


def test_it_looks_again_when_other_weights_act_and_when_a_game_wants_more(tmp_path: Path) -> None:
    play = Play(tmp_path, bow=("weapon:Bow", 1.0), fire=("weapon:Firestaff", 0.5))

    async def main() -> None:
        await play.part.begin()
        running = asyncio.ensure_future(play.part.run())
        assert play.step(first=True) == 0.5, "what a run begins with counts at once"
        play.take("Bow (new): Arrows that pierce.")
        assert play.step() == 0.5
        for _ in range(200):
            await asyncio.sleep(0.005)
            await play.clock.advance(LOOK_S)
            if not play.stepper.missing():
                break
        assert play.step() == 0.75 and play.part.status()["playing"][0] == ["bow", "fire"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())
    play.close()


def test_a_damaged_skill_fails_alone_and_its_reason_is_shown(tmp_path: Path) -> None:
    play = Play(tmp_path, bow=("weapon:Bow", 1.0), fire=("weapon:Firestaff", 0.5))
    (tmp_path / "skills" / "bow.safetensors").write_bytes(b"no weights")
    asyncio.run(play.part.begin())
    assert "bow.safetensors" in play.part.status()["failed"]["bow"]
    assert play.step(first=True) == 0.5
    (tmp_path / "skills" / "index.json").write_text("{")
    play.policy.load(BASE, 3)
    asyncio.run(play.part.look())
    assert "not an index" in play.part.status()["refused"]["index"] and play.step() == 0.0
    play.close()


def test_where_none_plays_it_says_why() -> None:
    assert SkillsOff("the pilot learns").status() == {"is_on": False, "why": "the pilot learns"}
