"""The command `causal`: what each card does, by what was learned from play, as a table, as JSON and as a plot."""

from __future__ import annotations

import json
import os
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from agent.commands.options import FLAT
from agent.core.errors import SettingsError
from agent.core.files import check_output, write_atomically
from agent.core.settings import load_settings

if TYPE_CHECKING:
    from agent.learner.science.study import Study

Outcome = Literal["score_s", "rmst_30_s", "rmst_120_s", "alive_60_s", "speed", "health"]
INTERACTIONS: Final = 20
"""So many interactions are shown, the clearest first."""


@dataclass(frozen=True)
class CausalOptions:
    """Of which game, by which outcome, and where it is written."""

    game: str = "arena"
    """The game: arena, or what stands before `://` in its address, such as bonklink."""
    _: KW_ONLY
    book: Annotated[tuple[Path, ...], Parameter(negative=())] = ()
    """Further books of the same game, such as another machine's, that are read together with this one."""
    outcome: Outcome = "score_s"
    """The outcome of the table and the plot."""
    plot: Path | None = None
    """Draw effects with their intervals, and interactions as a graph, into this .png or .svg file."""
    out: Path | None = None
    """Write all outcomes as JSON here."""
    config: Path | None = None
    """A TOML file of settings. Default: ./metabonk.toml where it exists."""


_DEFAULT: Final = CausalOptions()


def causal(options: Annotated[CausalOptions, FLAT] = _DEFAULT) -> int:
    """Show what each card does, with intervals that hold at every look, and how many menus each still needs.

    An effect is that of taking a card against the mean of the other offered cards. Only what is announced is certain.
    """
    from agent.learner.science.study import Study

    for name, path in (("--plot", options.plot), ("--out", options.out)):
        if path is not None:
            check_output(name, path)
    if options.plot is not None and options.plot.suffix not in (".png", ".svg"):
        raise SettingsError(f"--plot {options.plot}: a name that ends with .png or .svg is needed")
    study = Study()
    _read(options, study)
    _print(study, options.outcome)
    if options.out is not None:
        write_atomically(options.out, json.dumps(_values(study), indent=2) + "\n")
    if options.plot is not None:
        from agent.commands.cards.plot import draw

        draw(study.scientist.effects(options.outcome), study.scientist.interactions(), options.outcome, options.plot)
    return 0


def _read(options: CausalOptions, study: Study) -> None:
    """Learn from all runs of the books; raises SettingsError where there is none."""
    from agent.commands.weights import weights_folder
    from agent.learner.science.book import Book, book_path, merged

    own = book_path(weights_folder(load_settings(options.config, os.environ)), options.game)
    for path in options.book:
        if not path.is_file():
            raise SettingsError(f"--book {path}: there is no such file")
    if not own.is_file() and not options.book:
        raise SettingsError(f"{own}: there is no book of {options.game} yet; play it, or name one with --book")
    for run in merged([Book(own), *(Book(path) for path in options.book)]):
        study.learn(run)


def _print(study: Study, outcome: str) -> None:
    from agent.learner.science.study import clearest, in_words

    scientist = study.scientist
    table = Table(title=f"{outcome}: {scientist.menus} menus in {scientist.runs} runs")
    for column in ("card", "offers", "effect", "95 % at every look", "believed", "menus needed"):
        table.add_column(column, justify="left" if column == "card" else "right")
    for effect in clearest(scientist.effects(outcome), 1 << 16):
        needed = (
            "announced" if effect.is_announced else "-" if effect.menus_needed is None else f"{effect.menus_needed:,}"
        )
        table.add_row(
            effect.name, str(effect.offers), f"{effect.effect:+.3g}", f"{effect.low:+.3g} to {effect.high:+.3g}",
            f"{effect.believed:+.3g} ± {effect.deviation:.2g}", needed,
        )  # fmt: skip
    console = Console()
    console.print(table)
    for announced in scientist.announced.values():
        console.print(f"Eureka: {in_words(announced)}", highlight=False)
    for target, found in study.survival.calibration().items():
        if found.count:
            console.print(
                f"survival {target}: calibration error {found.ece:.3f} of {found.count} foretold", highlight=False
            )


def _values(study: Study) -> dict[str, Any]:
    """Everything that is known, as plain values."""
    from agent.core.cards.menu import OUTCOMES
    from agent.learner.science.study import row

    known, scientist = study.known().shown, study.scientist
    return {
        **known, "effects": {outcome: [row(e) for e in scientist.effects(outcome)] for outcome in OUTCOMES},
        "interactions": [row(i) for i in scientist.interactions()],
    }  # fmt: skip
