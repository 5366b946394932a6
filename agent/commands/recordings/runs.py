"""The command `runs`: what was played, by whom, and what came of it."""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from agent.commands.options import FLAT
from agent.commands.recordings.folder import recordings_of
from agent.concurrency.output import printable
from agent.core.errors import SettingsError
from agent.core.settings import ConfigOption, load_settings

if TYPE_CHECKING:
    from agent.journal.history import Run


@dataclass(frozen=True, kw_only=True)
class RunsOptions:
    """Which runs."""

    last: int = 20
    """How many, the newest; 0 for all."""


_DEFAULT: Final = RunsOptions()
_CONFIG: Final = ConfigOption()


def runs(options: Annotated[RunsOptions, FLAT] = _DEFAULT, config: Annotated[ConfigOption, FLAT] = _CONFIG) -> int:
    """List the recorded runs: when, game, policy, weights, mean score, length, what there is of the recording, file."""
    from agent.journal.history import History

    if options.last < 0:
        raise SettingsError(f"--last {options.last}: 0 or more")
    folder = recordings_of(load_settings(config.config, os.environ))
    history = History(folder)
    found = history.runs()
    if history.set_aside is not None:
        print(printable(f"The history was damaged and is set aside as {history.set_aside}; this one is made anew."))
    for run in found[-options.last :]:
        print(printable(in_a_line(run)))
    if not found:
        print(printable(f"No runs in {folder}."))
    return 0


def in_a_line(run: Run) -> str:
    """One run, as it is printed."""
    began = datetime.datetime.fromtimestamp(run.began_utc_s).strftime("%Y-%m-%d %H:%M")
    game = f"{run.game} × {run.games}" if run.games > 1 else run.game
    score = "no score"
    if run.score is not None:
        unit = "s" if run.measure == "score_s" else "return"
        score = f"{run.score:.1f} {unit} in {run.episodes}"
    weights = run.weights[:12] or "no weights"
    return f"{began}  {game}  {run.policy}  {weights}  {score}  {run.length_s:.0f} s  {run.state}  {run.folder}"
