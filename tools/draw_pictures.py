"""Pictures for the README and the docs: the shipped pilot at play as a moving picture, a crowd, and a level-up.

    python tools/draw_pictures.py [--out docs/pictures]

Writes play.webp (animated), arena.jpg and level_up.jpg. Seeds are fixed: the same program draws the same pictures.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from agent.control.policies import build_policy
from agent.core.types import ByteArray, GameState, Menu
from agent.games.arena.game import ArenaGame
from agent.training.evaluate import observe

SEED, SECONDS, MAX_SECONDS = 7, 150.0, 600
CROWD, NEAR_M = 10, 16.0
PITCH, CAMERA_TURN = -0.25, 0.03
CLIP_PX, CLIP_SECONDS, CLIP_FPS, CLIP_QUALITY = (640, 360), 7.0, 15, 62
CLIP_FROM_SECONDS = 121.5


def _crowd_yaw(state: GameState) -> float | None:
    """The direction of the enemies nearby, rad; None where there are few."""
    away = state.enemies[:, (0, 2)] - np.array(state.position)[[0, 2]]
    near = away[np.hypot(away[:, 0], away[:, 1]) < NEAR_M]
    return float(np.arctan2(*near.mean(axis=0))) if len(near) >= CROWD else None


def _render_towards(game: ArenaGame, yaw: float) -> ByteArray:
    """The picture with the camera turned to `yaw`, BGR; the game itself stays as it is."""
    world = game.world
    kept = float(world["yaw"]), float(world["pitch"])
    world["yaw"], world["pitch"] = yaw, PITCH
    pixels = np.ascontiguousarray(game.render()[:, :, ::-1])
    world["yaw"], world["pitch"] = kept
    return pixels


def _play(game: ArenaGame, policy_name: str) -> Iterator[tuple[int, GameState]]:
    """Let a policy play, and stop before each tick."""
    policy = build_policy(policy_name)
    game.reset(SEED, start="run")
    carry = policy.initial(1)
    for tick in range(60 * MAX_SECONDS):
        state = game.state()
        yield tick, state
        carry, actions = policy.step(carry, [observe(game, 0, state, None, tick)])
        assert actions[0] is not None
        game.tick(actions[0])


def draw_stills(out: Path) -> None:
    """Let the scripted player play, and keep two moments."""
    game = ArenaGame(capture_px=(960, 540))
    wanted = {"arena": Menu.PLAY, "level_up": Menu.LEVEL_UP}
    for _, state in _play(game, "kiter"):
        for name, menu in list(wanted.items()):
            if state.game_time_s > SECONDS and state.current_menu == menu:
                yaw = float(game.world["yaw"]) if menu != Menu.PLAY else _crowd_yaw(state)
                if yaw is None:
                    continue
                picture = _render_towards(game, yaw)
                cv2.imwrite(str(out / f"{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 88])
                del wanted[name]
        if not wanted:
            return
    raise SystemExit(f"the run ended before {', '.join(wanted)} was seen")


def clip_frames() -> list[ByteArray]:
    """Some seconds of the shipped pilot among many enemies without a menu between, u8 [h, w, 3], BGR.

    The camera follows the crowd: the pilot's own view, with which it steers, is of little use to a reader.
    """
    game, frames, yaw = ArenaGame(capture_px=CLIP_PX), list[ByteArray](), 0.0
    for tick, state in _play(game, "pilot"):
        crowd = _crowd_yaw(state)
        if state.current_menu != Menu.PLAY:
            frames.clear()
        elif state.game_time_s > CLIP_FROM_SECONDS and (frames or crowd is not None):
            yaw = crowd if not frames and crowd is not None else yaw
            if crowd is not None:
                yaw += CAMERA_TURN * math.remainder(crowd - yaw, math.tau)
            if tick % (60 // CLIP_FPS) == 0:
                frames.append(_render_towards(game, yaw))
            if len(frames) == int(CLIP_SECONDS * CLIP_FPS):
                return frames
    raise SystemExit(f"no {CLIP_SECONDS:.0f} seconds of play without a menu were seen")


def draw_clip(out: Path) -> None:
    """Write the moving picture, which begins anew for ever."""
    frames = clip_frames()
    clip = cv2.Animation()
    clip.frames, clip.durations, clip.loop_count = frames, [round(1000 / CLIP_FPS)] * len(frames), 0
    if not cv2.imwriteanimation(str(out / "play.webp"), clip, [cv2.IMWRITE_WEBP_QUALITY, CLIP_QUALITY]):
        raise SystemExit(f"{out / 'play.webp'} could not be written")


def main() -> None:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    draw_stills(args.out)
    draw_clip(args.out)


if __name__ == "__main__":
    main()
