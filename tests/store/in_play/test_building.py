"""A session has skills where its policy has weights that nothing learns; else it says why it has none."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.app import build_session
from agent.control.kiter import Kiter
from agent.control.motor import Motor
from agent.control.policy import Policy
from agent.control.untrained import untrained_tensors
from agent.core.clock import SystemClock
from agent.core.part import Part
from agent.link.endpoint import Endpoint
from agent.planning.backend import LlmConfig
from agent.planning.goal import parse_goal
from agent.session.options import Planning, SessionOptions, Skills
from agent.store.in_play.context import asked_by
from agent.store.in_play.part import SkillsInPlay, SkillsOff

OPTIONS = SessionOptions(
    endpoints=(Endpoint("127.0.0.1", 9),), names=("game",), http_port=None,
    planning=Planning(goal=parse_goal("take the bow"), llm=LlmConfig("builtin")),
)  # fmt: skip


def _part(policy: Policy, folder: Path, **changes: Any) -> tuple[Part | None, Any]:
    async def main() -> tuple[Part | None, Any]:
        told = {
            "weights_dir": folder / "weights",
            "skills": Skills(folder=folder / "skills", character="Fox"),
            **changes,
        }
        made = build_session(replace(OPTIONS, **told), policy, SystemClock())
        for closed in (*made.parts, *made.lanes):
            closed.close()
        return next((p for p in made.parts if isinstance(p, SkillsInPlay | SkillsOff)), None), made

    return asyncio.run(main())


def test_a_pilot_that_does_not_learn_has_skills_that_hear_the_planner(tmp_path: Path) -> None:
    part, made = _part(Motor(untrained_tensors(0)), tmp_path)
    assert isinstance(part, SkillsInPlay) and made.actor._stepper is part.stepper
    assert asked_by(part.stepper.goal()) == {"weapon:bow"} and "character:fox" in part.stepper.context.triggers(0)


def test_where_none_can_play_it_is_said_and_where_none_is_wanted_there_is_no_part(tmp_path: Path) -> None:
    part, _ = _part(Motor(untrained_tensors(0)), tmp_path, learn=True)
    assert isinstance(part, SkillsOff) and "play with --no-learn" in part.why
    part, made = _part(Kiter(), tmp_path)
    assert isinstance(part, SkillsOff) and "has no weights" in part.why and made.actor._stepper is None
    part, _ = _part(Motor(untrained_tensors(0)), tmp_path, weights_dir=None)
    assert isinstance(part, SkillsOff)
    part, made = _part(Motor(untrained_tensors(0)), tmp_path, skills=Skills(folder=None))
    assert part is None and made.actor._stepper is not None
