"""Options are within their bounds."""

from __future__ import annotations

import pytest

from agent.core.errors import SettingsError
from agent.training.labels.options import IdmOptions, LabelOptions, LearnOptions


@pytest.mark.parametrize(
    "options",
    [
        IdmOptions(window=0),
        LearnOptions(held_out=0.0),
        LearnOptions(steps=0),
        LabelOptions(keep=-0.1),
        LabelOptions(hz=0),
    ],
)
def test_what_is_out_of_bounds_is_refused(options: LabelOptions) -> None:
    with pytest.raises(SettingsError, match="--"):
        options.check()


def test_the_defaults_fit() -> None:
    IdmOptions().check()
    LabelOptions().check()
    assert IdmOptions().out / "inverse-dynamics.safetensors" == LabelOptions().model
