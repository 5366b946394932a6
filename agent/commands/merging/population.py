"""The command `population`: several members train in turn, copy the better ones and change hyper-parameters."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from agent.commands.options import FLAT
from agent.commands.starting import Starting
from agent.commands.weights import weights_folder
from agent.concurrency.child import no_helpers_left
from agent.core.settings import load_settings

if TYPE_CHECKING:
    from agent.training.population.command import PopulationWork


@dataclass(frozen=True, kw_only=True)
class PopulationOptions:
    """What a population trains on, and where it is kept."""

    game: str
    """arena, gym:[MODULE:]ID, or MODULE:FACTORY: a Gymnasium environment of your own."""
    out: Path
    """The folder of states, curve, lineage and TensorBoard files."""
    members: int = 8
    """How many train."""
    config: Path | None = None
    """TOML file of the population: steps, interval, periods, search and more. Default: lr, entropy_weight and gamma
    are searched over 200,000 steps of each member."""
    seed: int = 0
    """Seed of the members and of the search."""
    processes: int = 1
    """Processes of this machine in which members train; they take turns, by the steps that they have spent."""
    preset: str | None = None
    """How the environment is trained on, as for `train`. Default: what fits the game."""
    profile: Path | None = None
    """TOML file that says what is a picture of the environment, and which keys do what."""
    begin: Path | None = None
    """In the arena, a pilot's weights to begin with. Default: the shipped pilot's."""
    demos: Annotated[tuple[Path, ...], Parameter(help="Recordings to imitate, weighed by search.imitation_beta.")] = ()
    target: str | None = None
    """The policy whose next version the best member becomes. Default: the name that play gives such weights."""
    publish: bool = True
    """Keep the best member in the store."""
    resume: bool = False
    """Go on from the folder's population."""
    tensorboard: bool | None = None
    """Write TensorBoard files, which needs the extra `train`. Default: where it is installed."""


def population(options: Annotated[PopulationOptions, FLAT]) -> int:
    """Train a population; its best member becomes a version in the store.

    Members are judged by the game's own return on seeds that no training plays, never by the reward that they learn
    from. With METABONK_USE_LLM_PBT_WEIGHTS a language model proposes three in ten changes.
    """
    from agent.core.clock import SystemClock
    from agent.planning.backend import llm_config
    from agent.store.store import WeightsStore

    settings = load_settings(None, os.environ)
    console, clock = Console(stderr=True), SystemClock()
    work = _work(options)
    starting = Starting(console, clock)
    with no_helpers_left(), starting:
        from agent.training.population.command import run_population

        starting.say("the members' process")
        run_population(
            work, WeightsStore(weights_folder(settings)), llm_config(settings), clock, console,
            wants_llm=settings.llm.pbt_weights, on_begun=starting.close,
        )  # fmt: skip
    return 0


def _work(options: PopulationOptions) -> PopulationWork:
    from agent.training.population.command import PopulationWork
    from agent.training.population.config import load_config

    return PopulationWork(
        game=options.game, members=options.members, config=load_config(options.config), out=options.out,
        seed=options.seed, processes=options.processes, preset=options.preset, profile=options.profile,
        begin=options.begin, demos=options.demos, target=options.target, publish=options.publish, resume=options.resume,
        tensorboard=options.tensorboard,
    )  # fmt: skip
