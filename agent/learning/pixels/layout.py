"""What the actions of an episode are: declared controls, and their numbers for a network."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
import numpy as np

from agent.core.errors import RecordingError
from agent.core.types import FloatArray

Kind = Literal["axis", "key", "choice", "position"]
MAX_CHOICES: Final = 4096


class Control(msgspec.Struct, frozen=True, omit_defaults=True):
    """One number of an action.

    axis: −1 … 1. key: 0 or 1. choice: one of `choices`, from 0. position: 0 … 1, which counts only where the key with
    the name `of` is 1.
    """

    name: str
    kind: Kind
    choices: int = 0
    of: str = ""


class ActionLayout(msgspec.Struct, frozen=True):
    """The controls of an action, in the order of its numbers."""

    controls: tuple[Control, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the controls."""
        return tuple(control.name for control in self.controls)

    @property
    def width(self) -> int:
        """Numbers of an encoded action: one for each control, but `choices` for a choice."""
        return sum(control.choices or 1 for control in self.controls)

    def encode(self, actions: FloatArray) -> FloatArray:
        """Actions f32 [..., controls] for a network, f32 [..., width].

        Axes and keys stay, a choice is one-hot, a position is −1 … 1, and 0 where its key is up.
        """
        parts: list[FloatArray] = []
        for i, control in enumerate(self.controls):
            column = actions[..., i]
            if control.kind == "choice":
                parts.append((column[..., None].round() == np.arange(control.choices)).astype(np.float32))
            elif control.kind == "position":
                is_pressed = actions[..., self.names.index(control.of)] > 0.5 if control.of else True
                parts.append(np.where(is_pressed, column * 2.0 - 1.0, 0.0).astype(np.float32)[..., None])
            else:
                parts.append(column[..., None].astype(np.float32))
        return np.concatenate(parts, -1)


def _standard() -> ActionLayout:
    axes = tuple(Control(name, "axis") for name in ("move_x", "move_y", "look_x", "look_y"))
    keys = tuple(Control(name, "key") for name in ("fire", "ability", "interact", "ui_click"))
    clicks = tuple(Control(name, "position", of="ui_click") for name in ("click_x", "click_y"))
    return ActionLayout((*axes, *keys, *clicks))


STANDARD: Final = _standard()
"""The ten numbers of this program's recordings."""


def one_choice(choices: int) -> ActionLayout:
    """An action that is one of `choices`."""
    return ActionLayout((Control("action", "choice", choices),))


def is_one_choice(layout: ActionLayout) -> bool:
    """True for a layout that `one_choice` makes."""
    return layout == one_choice(layout.controls[0].choices)


def layout_of(declared: object, where: str) -> ActionLayout:
    """The layout that a file declares as a list of controls; raises RecordingError."""
    try:
        layout = ActionLayout(msgspec.convert(declared, tuple[Control, ...]))
    except msgspec.ValidationError as error:
        raise RecordingError(f"{where}: meta.action_space is no list of controls: {error}") from error
    for control in layout.controls:
        if (control.kind == "choice") != (1 < control.choices <= MAX_CHOICES):
            raise RecordingError(f"{where}: meta.action_space: {control.name}: 2 to {MAX_CHOICES} choices, of a choice")
        if control.of and control.of not in layout.names:
            raise RecordingError(f"{where}: meta.action_space: {control.name} is of {control.of}, which is no control")
    if not layout.controls or len(set(layout.names)) != len(layout.names):
        raise RecordingError(f"{where}: meta.action_space: controls need names of their own")
    return layout
