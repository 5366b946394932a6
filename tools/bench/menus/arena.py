"""Reach gameplay in the arena from its main menu by pictures alone, for goals of character and tier; run after run.

python -m tools.bench.menus.arena --runs 50 --out docs/results/menus_arena.json
python -m tools.bench.menus.arena --loop 200 --restarts 20
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from agent.core.types import Action, Menu
from agent.games.arena import state as layout
from agent.games.arena.game import ArenaGame
from tools.bench._result_file import publish
from tools.bench.menus.played import InProcess, Played

GOALS: Final = (
    ("Fox", 2), ("Calcium", 3), ("Sir Oofie", 1), ("CL4NK", 2), ("Megachad", 3),
    ("Ogre", 1), ("Robinette", 2), ("Monke", 3), ("Calcium", 1), ("Fox", 3),
)  # fmt: skip
WITHIN_S: Final = 90.0
PLAYS_S: Final = 8.0
"""In the loop of runs: how long a run is played before the rules are told that the player died."""


def turning() -> Action:
    """What is done in play: to walk in a wide circle, so that the picture moves."""
    return Action(move=(0.0, 1.0), look=(0.25, 0.0))


def shortest(character: str, tier: int) -> int:
    """Clicks of the shortest way to a goal from the main menu; what is chosen already need not be."""
    return 3 + (character != "Fox") + (tier != 1)


def _goal(character: str, tier: int) -> str:
    return f"Start Tier {tier} run with {character}"


def _is_as_wanted(game: ArenaGame, character: str, tier: int) -> bool:
    names = [c["name"] for c in game.worlds.catalog.characters]
    return game.screen is None and names[int(game.world["character"])] == character and game.tier + 1 == tier


async def cold_start(
    character: str, tier: int, path: Path, size: tuple[int, int], seed: int, caller: InProcess
) -> dict[str, Any]:
    """One run from the main menu into play."""
    game = ArenaGame(capture_px=size)
    game.reset(seed)
    played = Played(game, _goal(character, tier), hidden=True, path=path, policy=turning, caller=caller)
    began_s = time.process_time()
    async with played.running():
        reached = await played.until(lambda: game.screen is None, WITHIN_S)
        seconds = played.clock.now_s() - 100.0
    return {
        "goal": _goal(character, tier), "reached": reached and _is_as_wanted(game, character, tier),
        "in_play": reached, "clicks": len(played.clicks), "shortest": shortest(character, tier),
        "game_s": round(seconds, 1), "cpu_s": round(time.process_time() - began_s, 2),
        "gave_up": [text for kind, text, _ in played.events if kind == "navigator_gave_up"],
    }  # fmt: skip


async def unattended(runs: int, restarts: int, path: Path, size: tuple[int, int]) -> dict[str, Any]:
    """Death, results, menu, next run: so many in a row, the navigator begun anew so often in between."""
    game = ArenaGame(capture_px=size)
    game.reset(1)
    done, sessions, clicks, longest_s, wrong = 0, restarts + 1, 0, 0.0, 0
    caller = InProcess()
    for session in range(sessions):
        played = Played(game, _goal("Calcium", 2), hidden=True, path=path, policy=turning, caller=caller)
        async with played.running():
            share = runs * (session + 1) // sessions
            while done < share:
                began_s = played.clock.now_s()
                if not await played.until(lambda: game.screen is None, WITHIN_S * 2):
                    return {"runs": done, "stopped": played.seat.status(), "events": played.events[-3:]}
                longest_s = max(longest_s, played.clock.now_s() - began_s)
                wrong += not _is_as_wanted(game, "Calcium", 2)
                await _die(game, played)
                done += 1
        clicks += len(played.clicks)
    return {
        "runs": done,
        "restarts": restarts,
        "clicks": clicks,
        "longest_menus_s": round(longest_s, 1),
        "wrong": wrong,
    }


async def _die(game: ArenaGame, played: Played) -> None:
    """Play for a while, then die; menus of cards in between are the navigator's too, as nothing tells of them."""
    end_s = played.clock.now_s() + PLAYS_S
    deadly = (Menu.DEATH, Menu.RESULTS)
    await played.until(
        lambda: played.clock.now_s() >= end_s or (game.screen is not None and game.screen.name in deadly), PLAYS_S * 20
    )

    if game.screen is None or game.screen.name not in deadly:
        await played.until(lambda: game.screen is None, WITHIN_S)
        game.world["phase"] = layout.DEAD
        await played.until(lambda: game.screen is not None and game.screen.name in deadly, 5.0)


async def measure(runs: int, loop: int, restarts: int, size: tuple[int, int]) -> dict[str, Any]:
    """Both measurements, with screens that are learned from the first run on."""
    with tempfile.TemporaryDirectory() as folder:
        path, caller, found = Path(folder) / "screens.json", InProcess(), []
        for run in range(runs):
            character, tier = GOALS[run % len(GOALS)]
            found.append(await cold_start(character, tier, path, size, run, caller))
        learned = [one for i, one in enumerate(found) if i >= len(GOALS)]
        more = [one["clicks"] - one["shortest"] for one in learned if one["reached"]]
        values: dict[str, Any] = {
            "capture_px": list(size), "runs": len(found), "goals": len({one["goal"] for one in found}),
            "reached": sum(one["reached"] for one in found), "learned_runs": len(learned),
            "learned_within_one": sum(extra <= 1 for extra in more), "failed": [o for o in found if not o["reached"]],
            "each": [{k: o[k] for k in ("goal", "clicks", "shortest", "game_s", "cpu_s")} for o in found],
        }  # fmt: skip
        if loop:
            values["loop"] = await unattended(loop, restarts, Path(folder) / "loop.json", size)
        return values


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--loop", type=int, default=0)
    parser.add_argument("--restarts", type=int, default=0)
    parser.add_argument("--capture", default="640x360")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    width, _, height = options.capture.partition("x")
    values = asyncio.run(measure(options.runs, options.loop, options.restarts, (int(width), int(height))))
    publish("menus_arena", values, options.out)
    return 0 if values["reached"] == values["runs"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
