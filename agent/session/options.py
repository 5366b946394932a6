"""What one session of play is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.control.reward import SCORE, Weights
from agent.core.choices import Preferences
from agent.core.clock import TICK_S
from agent.journal.keeping import Keep
from agent.learning.configs import Budget
from agent.link.links import Address
from agent.link.wire import Limits
from agent.planning.backend import LlmConfig
from agent.planning.goal import Goal
from agent.planning.menus.goal import MenuGoal
from agent.planning.messages import Server

BUDGET_S: Final = TICK_S


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What `play` passes on as it was told."""

    seconds: float | None = None
    """Stop after this long; without it, play until interrupted."""
    episodes: int | None = None
    """Stop after this many finished episodes."""
    seed: int = 0
    """Seed of hosted games and of the policy."""
    report: Path | None = None
    """Write a JSON report here at the end."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Where a session is recorded, and what of it is kept. is_asked: where it cannot be recorded, it does not start.

    recordings: the folder that has the history of runs, None: it is in none.
    """

    folder: Path
    keep: Keep
    is_asked: bool
    recordings: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Planning:
    """What is planned for, by whom, and whether each change goes to the log too."""

    goal: Goal
    llm: LlmConfig
    logs: bool = False


@dataclass(frozen=True, kw_only=True)
class Skills:
    """Where skills are kept, None where none are wanted; and who begins a run with what, where that is known."""

    folder: Path | None
    character: str = ""
    weapons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MenuOptions:
    """How menus are gone through. vlm: the server of the vision model that chooses, None: the builtin chooser alone.

    folder: where screens are kept, None: nowhere. allowed: what may be pressed although it is refused. click_xy: the
    model may name points.
    """

    goal: MenuGoal
    folder: Path | None
    allowed: frozenset[str] = frozenset()
    vlm: Server | None = None
    timeout_s: float = 10.0
    click_xy: bool = False


@dataclass(frozen=True, kw_only=True)
class LearnerElsewhere:
    """The learner on another machine that this session's rollouts go to: its address, and the token for it."""

    address: str
    token: str


@dataclass(frozen=True, kw_only=True)
class Cards:
    """How cards are learned about: over how long speed and health change, and whether choices are left to chance."""

    horizon_s: float = 5.0
    explores: bool = False


@dataclass(frozen=True, kw_only=True)
class SessionOptions(RunOptions):
    """Every field has passed the command line's checks.

    http_port: None for no server, 0 for a free port. budget_s: an action must have left this long after its packet
    came. wanted: what is liked of cards, None: the policy chooses its own. cards: how they are learned about, None: not
    at all. on_http: told the server's port.
    on_begun: called when all is ready to act. reward: the table of a game without a reward of its own.
    challenger_share: of the runs, 0 where what is learned acts at once. auto_merge: a language model may propose the
    weights of a merge. recordings_dir: what the page replays. memory_mib: of the whole program, 0: the machine's.
    world: to which the games may be surprising.
    learner: who learns from this session, None: whoever does is here.
    """

    endpoints: tuple[Address, ...]
    names: tuple[str, ...]
    http_port: int | None = 8040
    http_token: str = ""
    limits: Limits = field(default_factory=Limits)
    real_time: bool = True
    budget_s: float = BUDGET_S
    watchdog: bool = True
    game: str = ""
    rules: str = ""
    on_http: Callable[[int], None] | None = None
    on_begun: Callable[[], None] | None = None
    weights_dir: Path | None = None
    keep_given_weights: bool = False
    learn: bool = False
    budget: Budget = Budget()
    wanted: Preferences | None = None
    cards: Cards | None = None
    shipped_outcomes: Path | None = None
    reward: Weights = SCORE
    challenger_share: float = 0.0
    recording: Recording | None = None
    planning: Planning | None = None
    skills: Skills = Skills(folder=None)
    auto_merge: bool = False
    safety: bool = False
    recordings_dir: Path | None = None
    learner: LearnerElsewhere | None = None
    menus: MenuOptions | None = None
    memory_mib: int = 0
    world: Path | None = None
