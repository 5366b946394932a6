"""Who plays what a motor learns from: script and pilot take turns with the motor, and they alone are imitated."""

from __future__ import annotations

import numpy as np
import torch

from agent.control.motor import pilot_tensors
from agent.control.policies import SHIPPED
from agent.control.untrained import pilot_of
from agent.training.arena.batch import ArenaBatch
from agent.training.arena.motor_data import MotorData, Shares


def test_script_and_pilot_take_turns_with_the_motor_which_is_not_imitated() -> None:
    pilot = pilot_of(pilot_tensors(SHIPPED))
    data = MotorData(ArenaBatch(8, 5), pilot, shares=Shares(0.25, 0.5), seed=0)
    data.motor = lambda condition: torch.full((len(condition), 7), 0.125)
    runs = data.play(60)
    for row, (own, drawn) in enumerate(runs):
        led = (own.action[:, :4] == 0.125).all(1)
        assert not (own.playing & led).any()
        if row >= 2:
            assert 10 < led.sum() < 50 and drawn.playing[led].sum() >= led.sum() - 3, "but where a menu is open"
            assert own.first[np.flatnonzero(np.diff(led.astype(int)) == -1) + 1].all(), "a turn begins a stretch"
        else:
            assert not led.any()
