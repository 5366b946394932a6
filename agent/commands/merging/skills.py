"""The commands `skills list`, `skills train` and `skills compose`."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, Parameter
from rich.console import Console

from agent.commands.options import FLAT
from agent.concurrency.output import printable
from agent.core.errors import SettingsError
from agent.core.files import expand_home
from agent.core.settings import ConfigOption, Settings, load_settings

if TYPE_CHECKING:
    from agent.store.skills import Skill, SkillStore

app = App(name="skills", help="Skills of the pilot: list them, train one, measure several together.")


@dataclass(frozen=True)
class TrainSkillOptions:
    """What a skill is for, and how long it is trained."""

    name: str
    """Its name in the database; one of that name is replaced."""
    _: KW_ONLY
    weapon: str | None = None
    """A weapon of the arena that it takes and raises, such as Bow."""
    character: str | None = None
    """A character of the arena whose runs it is trained in, such as Robinette."""
    metric: str | None = None
    """What it is measured by: gold, chests, shrines, elites, kills, levels, bosses, unhurt, score or weapon:NAME.
    Default: the weapon's level, or the character's score."""
    steps: int = 250_000
    """Decisions of all runs together: three fifths are lessons by a script, the others PPO."""
    seed: int = 0
    """Seed of the network and of the runs."""
    begin: Path | None = None
    """The pilot's weights to begin with; the skill fits these alone. Default: the shipped pilot's."""
    out: Path | None = None
    """The folder of checkpoint and curve; the same command goes on there. Default: training-NAME in the database."""
    episodes: int = 40
    """Seeds that the skill is measured on, with and without it."""
    score_episodes: int = 20
    """Seeds whose whole runs say what it does to the score; 0 for none."""
    config: Path | None = None
    """A TOML file of settings. Default: ./metabonk.toml where it exists."""


_CONFIG: Final = ConfigOption()


def skill_store(settings: Settings) -> SkillStore:
    """The database of skills."""
    from agent.store.skills import SkillStore

    return SkillStore(Path(expand_home(settings.planner.skill_db_path)))


@app.command(name="list")
def list_skills(options: Annotated[ConfigOption, FLAT] = _CONFIG) -> int:
    """List the skills of METABONK_SKILL_DB_PATH and those that are shipped, with what they were measured at."""
    console = Console()
    skills = skill_store(load_settings(options.config, os.environ)).skills()
    for skill in skills:
        console.print(printable(said(skill)), highlight=False, soft_wrap=True, markup=False)
    if not skills:
        console.print("no skills; make one with `python -m agent skills train NAME --weapon Bow`", highlight=False)
    return 0


def said(skill: Skill) -> str:
    """A skill in a line."""
    p, measured = skill.performance, ""
    if "with" in p and "without" in p:
        measured = ": " + ", ".join(
            f"{word} {p[key][0]:.2f} ({p[key][1]:.2f} to {p[key][2]:.2f})"
            for word, key in (("without", "without"), ("with", "with"))
        )
    return f"{skill.name} [{', '.join(skill.tags)}] of {skill.of} {skill.base[:12]}: {skill.description}{measured}"


@app.command(name="train")
def train(options: Annotated[TrainSkillOptions, FLAT]) -> int:
    """Fine-tune a pilot for a weapon, a character or a metric of the arena, and keep what it differs by as a skill.

    It is measured with and without the skill on seeds that no training sees.
    """
    from agent.commands.starting import Starting
    from agent.core import compiled
    from agent.core.clock import SystemClock
    from agent.training.skills.command import SkillTrainOptions, train_skill

    skills = skill_store(load_settings(options.config, os.environ))
    told = SkillTrainOptions(
        name=options.name, weapon=options.weapon, character=options.character, metric=options.metric,
        steps=options.steps, seed=options.seed, begin=options.begin, out=options.out, episodes=options.episodes,
        score_episodes=options.score_episodes,
    )  # fmt: skip
    told.check()
    console, clock = Console(stderr=True), SystemClock()
    starting = Starting(console, clock, compiles=compiled.is_cold())
    with starting:
        starting.say("the first steps")
        skill = train_skill(told, skills, clock, console, starting.close)
    Console().print(printable(said(skill)), highlight=False, soft_wrap=True, markup=False)
    return 0


@dataclass(frozen=True, kw_only=True)
class ComposeOptions(ConfigOption):
    """Which scales are measured, and how."""

    scales: str = ""
    """How much each skill counts, 0 to 2, such as 1,0.5. Default: as a language model or --search says."""
    search: int = 0
    """Search the scales by so many trials of CMA-ES, three in ten of them a language model's."""
    search_episodes: int = 8
    """Seeds of each trial of the search."""
    episodes: int = 20
    """Seeds of each skill's task that decide."""
    margin: float = 0.25
    """How much of what a skill gains over the base its task may lose, at the interval's lower end."""
    goal: str = ""
    """What the player wants, in words, for the language model. Default: METABONK_SIMA2_GOAL."""
    base: str | None = None
    """The weights that the skills fit. Default: the shipped ones that they name."""
    seed: int = 0
    """Seed of the search."""


_COMPOSE: Final = ComposeOptions()


@app.command(name="compose")
def compose(
    *names: Annotated[str, Parameter(help="Skills of `skills list`. Default: all of one base.")],
    options: Annotated[ComposeOptions, FLAT] = _COMPOSE,
) -> int:
    """Measure scales of skills that play together, and keep them where the gate accepts them; play uses kept scales.

    They are accepted where they gain on uniform TIES and on the best of the skills, and no skill's task loses more than
    the margin; the exit code is 1 where they are refused.
    """
    from agent.commands.merging.merge import numbers
    from agent.commands.weights import weights_folder
    from agent.learning.merging.recipe import Recipe
    from agent.planning.backend import llm_config
    from agent.store.store import WeightsStore
    from agent.training.merging.command import MergeWork, compose_skills, skill_sources

    settings = load_settings(options.config, os.environ)
    skills, console = skill_store(settings), Console(stderr=True)
    chosen = list(names) or _all_of_one_base(skills, select_all=settings.llm.skill_select_all)
    work = MergeWork(
        sources=skill_sources(chosen), base=options.base, evaluate="arena",
        recipe=Recipe(weights=numbers("--scales", options.scales)), episodes=options.episodes, margin=options.margin,
        search=options.search, search_episodes=options.search_episodes, seed=options.seed,
        goal=options.goal or settings.planner.goal,
    )  # fmt: skip
    work.check()
    _, kept = compose_skills(
        chosen, work, WeightsStore(weights_folder(settings)), skills, llm_config(settings),
        llm=settings.llm.skill_composer,
        say=lambda text: console.print(text, soft_wrap=True, highlight=False, markup=False),
    )  # fmt: skip
    return 0 if kept is not None else 1


def _all_of_one_base(skills: SkillStore, *, select_all: bool) -> list[str]:
    """All skills, which must be of one base; raises SettingsError."""
    if not select_all:
        raise SettingsError("which skills? METABONK_LLM_SKILL_SELECT_ALL=0: name them")
    found = skills.skills()
    bases = {skill.base for skill in found}
    if len(found) < 2 or len(bases) > 1:
        raise SettingsError(f"{len(found)} skills of {len(bases)} bases: name two or more of one base")
    return [skill.name for skill in found]
