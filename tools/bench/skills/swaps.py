"""What each shipped skill changes, by its own metric and by those of the others, on seeds that no training saw.

    python -m tools.bench.skills.swaps [--episodes 30] [--others 8] [--only NAME …]
        [--out docs/results/skill_swaps.json]

Each task is played by the shipped pilot, by its skill, and on a few of the seeds by every other skill (the control: a
skill of something else does not do it). With `--only` the skills of these names alone. Passes where four skills or
more, one of a weapon and one of a character among them, have an interval above the pilot's, the two disjoint. With
--recorded nothing is played: the figures are those that each skill's own training measured, on seeds that it never
played, as its manifest has them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from agent.control.motor import pilot_tensors
from agent.control.policies import SHIPPED
from agent.core.statistics import bootstrap, paired_difference
from agent.games.arena.rules_hash import rules_hash
from agent.models.sealed import Tensors, content_sha256
from agent.store.skills import SkillStore
from agent.training.skills.measure import SEEDS
from agent.training.skills.task import SkillTask
from tools.bench._result_file import publish
from tools.bench.skills._measured import Kept

SEED = 61_000_000
"""Far from the seeds that trainings and their own measurements play."""


def shipped(folder: Path | None = None) -> tuple[Tensors, dict[str, Tensors], dict[str, SkillTask]]:
    """The pilot, and by name each skill's weights and task."""
    base, store = pilot_tensors(SHIPPED), SkillStore(folder or Path("no skills of one's own"))
    known = {field.name for field in msgspec.structs.fields(SkillTask)}
    said = content_sha256(base)
    skills = [skill for skill in store.skills() if skill.base == said]
    tasks = {s.name: msgspec.convert({k: v for k, v in s.task.items() if k in known}, SkillTask) for s in skills}
    return base, {name: store.composed(base, [name]) for name in tasks}, tasks


def compared(
    kept: Kept, base: Tensors, skills: dict[str, Tensors], seed: int, episodes: int, others: int
) -> dict[str, Any]:
    """Of each skill its own metric with it and without, and on `others` seeds with every other one."""
    found = {}
    for name, tensors in skills.items():
        without = kept.value(base, name, seed, episodes)
        having = kept.value(tensors, name, seed, episodes)
        one, two = bootstrap(without), bootstrap(having)
        beside = {
            other: round(float(kept.value(made, name, seed, others).mean()), 3)
            for other, made in skills.items()
            if others and other != name
        }
        found[name] = {
            "without": [round(x, 3) for x in one], "with": [round(x, 3) for x in two],
            "difference": [round(x, 3) for x in paired_difference(having, without)],
            "disjoint": two.low > one.high, "other_skills": beside,
        }  # fmt: skip
        print(name, found[name], file=sys.stderr, flush=True)
    return found


def recorded() -> tuple[dict[str, Any], dict[str, SkillTask]]:
    """What the shipped skills' manifests say of their own metrics, and their tasks."""
    known = {field.name for field in msgspec.structs.fields(SkillTask)}
    found, tasks = {}, {}
    for skill in SkillStore(Path("no skills of one's own")).skills():
        p = skill.performance
        tasks[skill.name] = msgspec.convert({k: v for k, v in skill.task.items() if k in known}, SkillTask)
        found[skill.name] = {
            "without": p["without"], "with": p["with"], "difference": p["difference"], "episodes": p["episodes"],
            "disjoint": p["with"][1] > p["without"][2], "score_s": p.get("score_s"),
        }  # fmt: skip
    return found, tasks


def passed(found: dict[str, Any], tasks: dict[str, SkillTask]) -> bool:
    """Four skills with disjoint intervals, one of a weapon and one of a character among them."""
    good = [name for name, figures in found.items() if figures["disjoint"]]
    return len(good) >= 4 and any(tasks[n].weapon for n in good) and any(tasks[n].character for n in good)


def main() -> None:
    """Play and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=30)
    parser.add_argument("--others", type=int, default=8)
    parser.add_argument("--only", nargs="+", help="names of skills; then each of them must pass")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--skills", type=Path, help="a folder of skills beside the shipped ones")
    parser.add_argument("--recorded", action="store_true", help="play nothing: what the manifests say")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.recorded:
        found, tasks = recorded()
        told: dict[str, Any] = {"seed": SEEDS, "recorded": True}
    else:
        base, skills, tasks = shipped(args.skills)
        if args.only:
            skills, tasks = {n: skills[n] for n in args.only}, {n: tasks[n] for n in args.only}
        found = compared(Kept(tasks), base, skills, args.seed, args.episodes, args.others)
        told = {"seed": args.seed, "episodes": args.episodes, "episodes_of_others": args.others}
    values = {
        "rules": rules_hash(), **told, "tasks": {name: task.as_builtins() for name, task in tasks.items()},
        "skills": found, "disjoint": sum(figures["disjoint"] for figures in found.values()),
        "passed": passed(found, tasks) if not args.only else all(figures["disjoint"] for figures in found.values()),
    }  # fmt: skip
    publish("skill_swaps", values, args.out)
    sys.exit(not values["passed"])


if __name__ == "__main__":
    main()
