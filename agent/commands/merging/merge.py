"""The command `merge`: policies that were fine-tuned from one base become one, measured before it is kept."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console

from agent.commands.merging.skills import skill_store
from agent.commands.options import FLAT
from agent.commands.weights import weights_folder
from agent.concurrency.streams import printing_to_stderr
from agent.core.errors import SettingsError
from agent.core.files import check_output
from agent.core.settings import ConfigOption, load_settings

if TYPE_CHECKING:
    from agent.games.contract import HostedGame
    from agent.training.merging.command import MergeWork

Method = Literal["ties", "weighted", "retain", "average", "task-arithmetic", "dare", "iso-c", "ram"]


@dataclass(frozen=True, kw_only=True)
class MergeOptions(ConfigOption):
    """How sources are merged, how that is measured, and where it is kept."""

    base: str | None = None
    """The weights that all sources were fine-tuned from: a file or a policy of the store. Default: the shipped ones
    that the sources name."""
    method: Method = "ties"
    """How they are merged."""
    weights: str = ""
    """How much each source counts, 0 to 2, such as 1,0.5; of ties and ram its vector is scaled. Default: 1 each."""
    density: float = 0.2
    """Of ties, weighted and dare: the share of the entries that stay."""
    scale: float | None = None
    """How much of the merged change is added to the base. Default: the method's own."""
    threshold: float = 0.02
    """Of ram: a change below this share of the tensor's root mean square is none."""
    evaluate: str | None = None
    """The game that decides: arena (each source's own metric, where it has one), gym:ID or MODULE:FACTORY. Without it
    the merge is kept unmeasured."""
    episodes: int = 20
    """Seeds of each source's task that all play."""
    margin: float = 0.25
    """How much of what a source gains over the base its task may lose, at the interval's lower end."""
    search: int = 0
    """Search the weights by so many trials of CMA-ES; with METABONK_LLM_AUTO_MERGE a language model proposes three
    in ten of them."""
    search_episodes: int = 8
    """Seeds of each trial of the search."""
    seed: int = 0
    """Seed of the search and of dare."""
    target: str | None = None
    """The policy whose next version it becomes; a running play takes it up. Default: the base's kind."""
    dry_run: bool = False
    """Keep nothing."""
    report: Path | None = None
    """Write the JSON report here."""


_OPTIONS = MergeOptions()


def merge(
    *sources: Annotated[str, Parameter(help="Weight files, policies of the store (NAME or NAME@VERSION), skill:NAME.")],
    options: Annotated[MergeOptions, FLAT] = _OPTIONS,
) -> int:
    """Merge policies that were fine-tuned from one base; the result is a version in the store, which rollback undoes.

    With --evaluate it is kept only where it gains on uniform TIES and on the best source, and no source's task loses
    more than the margin; the exit code is 1 where it is refused.
    """
    from agent.planning.backend import llm_config
    from agent.store.store import WeightsStore
    from agent.training.merging.command import publish, run_merge

    settings = load_settings(options.config, os.environ)
    if options.report is not None:
        check_output("--report", options.report)
    console = Console(stderr=True)

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    store = WeightsStore(weights_folder(settings))
    with printing_to_stderr() as out:
        made = run_merge(
            _work(sources, options), store, skill_store(settings), _hosted, llm_config(settings),
            llm=settings.llm.auto_merge, say=say,
        )  # fmt: skip
        report: dict[str, Any] = {"ok": made.accepted is not False, "target_policy": None, **made.report}
        if not options.dry_run and made.accepted is not False:
            stored = publish(made, store, options.target, "merge " + " ".join(s.name for s in made.sources))
            report |= {"target_policy": stored.policy, "version": stored.version}
            say(f"{stored.policy}: the merge is version {stored.version}; `weights rollback` goes back")
        text = json.dumps(report, indent=2)
        if options.report is not None:
            options.report.write_text(text + "\n", encoding="utf-8")
        print(text, file=out, flush=True)
    return 1 if made.accepted is False else 0


def _work(sources: tuple[str, ...], options: MergeOptions) -> MergeWork:
    from agent.learning.merging.recipe import Recipe
    from agent.training.merging.command import MergeWork

    if not sources:
        raise SettingsError("what is to be merged? name weight files, policies of the store, or skill:NAME")
    recipe = Recipe(
        method=options.method, weights=numbers("--weights", options.weights), density=options.density,
        scale=options.scale, threshold=options.threshold, seed=options.seed,
    )  # fmt: skip
    return MergeWork(
        sources=sources, base=options.base, recipe=recipe, evaluate=options.evaluate, episodes=options.episodes,
        margin=options.margin, search=options.search, search_episodes=options.search_episodes, seed=options.seed,
    )  # fmt: skip


def numbers(name: str, text: str) -> tuple[float, ...]:
    """Numbers between commas; raises SettingsError."""
    try:
        return tuple(float(part) for part in text.split(",")) if text.strip() else ()
    except ValueError as error:
        raise SettingsError(f"{name} {text!r}: numbers between commas are needed, such as 1,0.5") from error


def _hosted(game: str) -> HostedGame:
    """The game that decides; raises SettingsError where it is not hosted here."""
    from agent.games.hosting import build_game
    from agent.games.options import GameOptions, is_hosted

    if not is_hosted(game) or game == "auto":
        raise SettingsError(f"--evaluate {game}: a hosted game is needed: arena, gym:ID or MODULE:FACTORY")
    return build_game(GameOptions(game=game).from_run(0), lambda text: None)
