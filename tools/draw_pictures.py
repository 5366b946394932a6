"""Pictures of the README: the arena in play, and a level-up.

python tools/draw_pictures.py [--out docs]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from agent.control.policies import build_policy
from agent.core.types import GameState, Menu, Observation
from agent.games.arena.game import ArenaGame

SEED, SECONDS = 7, 150.0
CROWD, NEAR_M = 10, 16.0


def _face_the_crowd(game: ArenaGame, state: GameState) -> bool:
    """Turn the view to the enemies nearby; False where there are few."""
    away = state.enemies[:, (0, 2)] - np.array(state.position)[[0, 2]]
    near = away[np.hypot(away[:, 0], away[:, 1]) < NEAR_M]
    if len(near) < CROWD:
        return False
    game.world["yaw"] = np.arctan2(*near.mean(axis=0))
    return True


def main() -> None:
    """Let the scripted player play, and keep two moments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    game, policy = ArenaGame(capture_px=(960, 540)), build_policy("kiter")
    game.reset(SEED, start="run")
    carry = policy.initial(1)
    wanted = {"arena": Menu.PLAY, "level_up": Menu.LEVEL_UP}
    for tick in range(60 * 600):
        state = game.state()
        for name, menu in list(wanted.items()):
            if state.game_time_s > SECONDS and state.current_menu == menu:
                if menu == Menu.PLAY and not _face_the_crowd(game, state):
                    continue
                cv2.imwrite(str(args.out / f"{name}.jpg"), game.render()[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
                del wanted[name]
        if not wanted:
            return
        observation = Observation(0, state, None, tick, 1 / 60, tick / 60, 0.0, tick == 0, False, False)
        carry, actions = policy.step(carry, [observation])
        assert actions[0] is not None
        game.tick(actions[0])
    raise SystemExit(f"the run ended before {', '.join(wanted)} was seen")


if __name__ == "__main__":
    main()
