"""What a goal typed in the page changes: the same runs with one goal, with another one, and with none.

    python -m tools.page.goals [--games 8] [--batches 1] [--seconds 120] [--parts DIR] [--out FILE]

A session of the shipped motor plays so many games of the arena at once, 30 packets a second; a headless Chromium shows
its page. `none` begins with "Survive 20 minutes" and types nothing; the other arms type their goal into the page with
its keys as soon as it shows the session. Counted is what each run gained until the time is over or the run ends, in the
game's time. Differences are over pairs of the same seed, with 95 % intervals. Batches are kept as parts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from agent.control.policies import build_policy
from agent.core.files import write_atomically
from agent.core.statistics import paired_difference, summary
from agent.planning.part import SystemTwo
from agent.training.arena.goals import counted
from tools.bench._result_file import publish
from tools.page.browser import Tab, browsing
from tools.page.played import ArenaSide, playing

PARTS: Final = Path("docs/results/parts/page_goals")
FIRST_SEED: Final = 78_000_000
ARMS: Final = {"none": "", "shrines": "open shrines", "chests": "open chests"}
MEASURES: Final = ("chests", "shrines", "bosses", "levels")
LOOK_S: Final = 0.1
PATIENCE_S: Final = 1500.0


async def type_goal(tab: Tab, goal: str) -> None:
    """Type a goal with the page's keys, and wait until the page shows it."""
    await tab.until("document.querySelector('#takeover').getAttribute('aria-disabled') === 'false'")
    await tab.key("g")
    await tab.call("Input.insertText", text=goal)
    await tab.key("Enter", "Enter")
    await tab.call("Input.dispatchKeyEvent", type="char", text="\r")
    await tab.until(f"document.querySelector('.goal-line b').textContent === {json.dumps(goal)}")


class Run:
    """One game's run: what it gained, and what was pursued meanwhile."""

    def __init__(self, side: ArenaSide) -> None:
        self.side, self.is_over = side, False
        self.found, self._before = np.zeros(len(MEASURES)), counted(side.game.worlds)[0]
        self.time_s, self.looks, self.pursued = 0.0, 0, dict[str, int]()

    def look(self, subgoal: str | None, seconds: float) -> None:
        """Count what was gained since the last look; the run is over with its time, or when another one begins."""
        now, time_s = counted(self.side.game.worlds)[0], self.side.game.state().game_time_s
        if self.is_over or time_s < self.time_s:
            self.is_over = True
            return
        self.found += np.maximum(now - self._before, 0.0)
        self._before, self.time_s, self.looks = now, time_s, self.looks + 1
        kind = (subgoal or "nothing").partition("(")[0]
        self.pursued[kind] = self.pursued.get(kind, 0) + 1
        self.is_over = time_s >= seconds

    def row(self) -> dict[str, Any]:
        """What is kept of it."""
        shares = {kind: round(n / max(1, self.looks), 3) for kind, n in self.pursued.items()}
        gained = dict(zip(MEASURES, map(float, self.found), strict=True))
        return {"seconds": round(self.time_s, 1), "gained": gained, "pursued": shares}


async def batch(tab: Tab, seeds: range, goal: str, seconds: float) -> dict[str, Any]:
    """Play these seeds at once; what each gained, by seed."""
    sides = await asyncio.to_thread(
        lambda: [ArenaSide(seed=seed, capture_px=(160, 90), pictures_hz=1.0) for seed in seeds]
    )
    with tempfile.TemporaryDirectory() as folder:
        policy = await asyncio.to_thread(build_policy, "motor")
        async with playing(Path(folder), arenas=sides, policy=policy, recording=None) as played:
            await tab.open(played.address + played.access.link())
            await tab.until("document.documentElement.dataset.number !== undefined")
            if goal:
                await type_goal(tab, goal)
            runs, planner = [Run(side) for side in sides], played.session.part(SystemTwo).planner
            async with asyncio.timeout(PATIENCE_S):
                while not all(run.is_over for run in runs):
                    for run, told in zip(runs, planner.games(), strict=True):
                        run.look(told["subgoal"], seconds)
                    await asyncio.sleep(LOOK_S)
            typed = await tab.run("document.querySelector('.goal-line b').textContent")
    return {"goal": typed, "runs": {str(seed): run.row() for seed, run in zip(seeds, runs, strict=True)}}


async def played_arms(parts: Path, batches: int, games: int, seconds: float) -> dict[str, dict[str, Any]]:
    """All runs of all arms, by arm and seed; those that are kept are not played again."""
    found: dict[str, dict[str, Any]] = {arm: {} for arm in ARMS}
    with tempfile.TemporaryDirectory() as profile:
        async with browsing(Path(profile)) as tab:
            for k in range(batches):
                seeds = range(FIRST_SEED + k * games, FIRST_SEED + (k + 1) * games)
                for arm, goal in ARMS.items():
                    path = parts / f"{arm}-{seeds[0]}-{games}-{seconds:g}.json"
                    if not path.exists():
                        made = await batch(tab, seeds, goal, seconds)
                        path.parent.mkdir(parents=True, exist_ok=True)
                        write_atomically(path, json.dumps(made) + "\n")
                    found[arm] |= json.loads(path.read_text(encoding="utf-8"))["runs"]
                    print(arm, seeds, "played", flush=True)
    return found


def figures(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Means of each arm, and differences of pairs of one seed."""
    seeds = sorted(set.intersection(*(set(runs) for runs in found.values())))
    value = {arm: {m: [runs[s]["gained"][m] for s in seeds] for m in MEASURES} for arm, runs in found.items()}
    kinds = {kind for runs in found.values() for run in runs.values() for kind in run["pursued"]}
    return {
        "seeds": len(seeds),
        "gained": {arm: {m: summary(each) for m, each in of.items()} for arm, of in value.items()},
        "pursued": {
            arm: {k: round(float(np.mean([runs[s]["pursued"].get(k, 0.0) for s in seeds])), 3) for k in sorted(kinds)}
            for arm, runs in found.items()
        },
        "shrines_minus": {
            arm: dict(paired_difference(value["shrines"]["shrines"], value[arm]["shrines"])._asdict())
            for arm in ARMS if arm != "shrines"
        },
        "open_minus": {
            arm: dict(paired_difference(*([found[a][s]["pursued"].get("open", 0.0) for s in seeds]
                                          for a in ("shrines", arm)))._asdict())
            for arm in ARMS if arm != "shrines"
        },
    }  # fmt: skip


def main() -> None:
    """Play what is missing, and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=8)
    parser.add_argument("--batches", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--parts", type=Path, default=PARTS)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    found = asyncio.run(played_arms(args.parts, args.batches, args.games, args.seconds))
    values = {"goals": ARMS, "first_seed": FIRST_SEED, "played_s": args.seconds, **figures(found)}
    publish("page_goals", values, args.out)


if __name__ == "__main__":
    main()
