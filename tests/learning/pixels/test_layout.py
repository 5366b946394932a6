"""Actions of any declared space become numbers for a network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from agent.learning.pixels.layout import ActionLayout, Control, one_choice
from tests.learning.pixels.files import opened, write_npz


def test_other_action_spaces(tmp_path: Path) -> None:
    write_npz(tmp_path / "in" / "a.npz", actions=np.arange(12) % 3, meta=None)
    write_npz(tmp_path / "in" / "b.npz", actions=np.arange(12) % 5, meta=None)
    assert opened(tmp_path / "in").layout == one_choice(5)
    declared = [
        {"name": "jump", "kind": "key"},
        {"name": "turn", "kind": "axis"},
        {"name": "pick", "kind": "choice", "choices": 3},
    ]
    actions = np.array([[1, -0.5, 2]] * 12, np.float32)
    write_npz(tmp_path / "own" / "a.npz", actions=actions, meta=np.array(json.dumps({"action_space": declared})))
    found = opened(tmp_path / "own")
    assert found.encoded(0)[0].tolist() == [1.0, -0.5, 0.0, 0.0, 1.0]
    assert found.layout == ActionLayout((Control("jump", "key"), Control("turn", "axis"), Control("pick", "choice", 3)))
    write_npz(tmp_path / "own" / "b.npz", count=5)
    assert "its actions are move_x (axis)" in opened(tmp_path / "own").refused[0]
