"""What is seen from above lies where the camera has it: ahead is up, right is right, nearest first."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from agent.core.types import ObjectKind, SceneInfo
from agent.session.seeing.scene import MAX_CAPTION, MAX_ENEMIES, RANGE_M, scene
from tests.link.game_side import state


def seen(yaw: float, *, enemies: list[tuple[float, float]], kinds: list[int]) -> dict[str, object]:
    rows = np.array([(x, 0.0, z, 5.0) for x, z in enemies], np.float32)
    around = SceneInfo(
        yaw, 0.0, np.array(kinds, np.uint8), np.array([ObjectKind.CHEST, 99], np.uint8),
        np.array([[13.0, 0.0, 10.0], [10.0, 0.0, 500.0]], np.float32),
    )  # fmt: skip
    told = msgspec.structs.replace(state(1), position=(10.0, 0.0, 10.0), enemies=rows, scene=around)
    return scene(told)


@pytest.mark.parametrize(
    ("yaw", "right", "ahead"), [(0.0, 3.0, 4.0), (math.pi / 2, -4.0, 3.0), (math.pi, -3.0, -4.0)]
)  # fmt: skip
def test_places_turn_with_the_camera(yaw: float, right: float, ahead: float) -> None:
    found = seen(yaw, enemies=[(13.0, 14.0)], kinds=[0x81])
    assert found["enemies"] == [[pytest.approx(right), pytest.approx(ahead), 5.0, True]]
    assert [each[2] for each in found["objects"]] == ["chest"], "what is far is left out"  # type: ignore[attr-defined]


def test_the_nearest_come_first_and_there_is_an_end_to_them() -> None:
    far = [(10.0 + 0.1 * i, 10.0) for i in range(200)][::-1]
    found = seen(0.0, enemies=[*far, (10.0 + RANGE_M + 1, 10.0)], kinds=[1] * 201)
    rows = found["enemies"]
    assert isinstance(rows, list) and len(rows) == MAX_ENEMIES and rows[0][0] == 0.0 and rows[1][0] == 0.1
    assert found["enemies_in_all"] == 201


def test_without_a_camera_and_with_long_captions_it_is_plain() -> None:
    told = msgspec.structs.replace(state(1), level_up_options=("x" * 999,))
    found = scene(told)
    assert found["yaw_rad"] is None and found["objects"] == [] and found["options"] == ["x" * MAX_CAPTION]
    assert msgspec.json.decode(msgspec.json.encode(found)) == found
