"""What a policy is: observations of several games in, one action for each out, all state explicit.

Whatever else it can do, it tells in its `Capabilities`; nobody asks what type it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.control.arbiter import Arbiter
from agent.control.cards.chooser import CardChooser
from agent.control.experience import RolloutRecorder
from agent.core.goals.progress import Judged, Pursuit
from agent.core.goals.vocabulary import Subgoal
from agent.core.rollout import ActionSpec, Rollout
from agent.core.types import Action, Observation
from agent.models.sizes import CpqeSizes, FlatSizes, FrameSizes

Tensors = dict[str, NDArray[np.generic]]


class Policy(Protocol):
    """A player of several games at once.

    `step` is called on one thread at a time: first on one of its own; once steps are found to be short, on the event
    loop's. An action that was computed from an observation carries the observation's sequence in `answers`. A policy
    that can do more than play has an attribute `capabilities`.
    """

    @property
    def name(self) -> str:
        """Short name shown to people and written to reports."""
        ...

    def warm_up(self) -> None:
        """Do once whatever would make the first step slow."""
        ...

    def initial(self, games: int) -> Any:
        """The carry before the first step of `games` games."""
        ...

    def step(self, carry: Any, observations: Sequence[Observation | None]) -> tuple[Any, list[Action | None]]:
        """One action for each game that has an observation, None for the others."""
        ...


class Reloadable(Policy, Protocol):
    """A policy whose weights can be exchanged while it plays.

    `prepare` may take long and runs beside `step`; `load` is called on the thread of `step`, between two steps, and
    takes no longer than the exchange of a reference. A carry outlives an exchange.
    """

    @property
    def version(self) -> int:
        """The version of the weights that act."""
        ...

    @property
    def kind(self) -> str:
        """The kind that a manifest of its weights must name."""
        ...

    @property
    def layout(self) -> dict[str, Any]:
        """What it observes, as a manifest says it."""
        ...

    @property
    def tensors(self) -> Tensors:
        """The weights that act, by name."""
        ...

    @property
    def sizes(self) -> FlatSizes | FrameSizes | CpqeSizes | None:
        """The widths that build it, where its weights bring them; None where this program knows them."""
        ...

    def prepare(self, tensors: Tensors, where: str) -> Any:
        """What `load` takes, after a trial on canned observations; raises WeightsError naming `where`."""
        ...

    def load(self, prepared: Any, version: int) -> None:
        """Act with these weights from the next step on."""
        ...


class Learnable(Reloadable, Protocol):
    """A policy that can write down what it does, to be learned from."""

    @property
    def spec(self) -> ActionSpec:
        """What an action is, as it is written down."""
        ...

    def learn(
        self, names: tuple[str, ...], emit: Callable[[Rollout], None], *, off_policy: bool = False
    ) -> RolloutRecorder:
        """Sample every action from now on, and record the games of these names.

        `emit` is given each rollout on the thread of `step`. off_policy: whoever learns may, from rollouts of any age.
        """
        ...


class Serving(Protocol):
    """A policy that says who in it acts."""

    def served(self) -> dict[str, Any]:
        """Who acts and what it has learned, for `/status`."""
        ...


class ChoosesCards(Protocol):
    """A policy that lets a chooser choose its cards; see `control.cards.chooser`."""

    def choose_by(self, chooser: CardChooser, arbiter: Arbiter) -> None:
        """From now on ask this chooser, and let the arbiter say whose card is taken."""
        ...

    def owner(self, carry: Any, game: int) -> str:
        """Who chose what is being done in a game: `motor`, or the chooser's name while its card is picked."""
        ...

    def card(self, carry: Any, game: int) -> int:
        """The card that is being picked in a game, −1 for none."""
        ...


class Rehearsing(Protocol):
    """A policy that can compute a step without any effect, so that the next step finds warm caches."""

    def rehearse(self, carry: Any, observation: Observation) -> Action | None:
        """What would answer this observation, or None where nothing was computed; changes nothing."""
        ...


class Candidate(msgspec.Struct, frozen=True):
    """One way to go on that was weighed: its first axes −1 … 1, the bound on its worth, and the critics' spread."""

    move: tuple[float, float]
    look: tuple[float, float]
    bound: float
    spread: float


class Offer(msgspec.Struct, frozen=True):
    """A menu's cards: captions, the network's share of chance for each, and the one that was taken."""

    captions: tuple[str, ...]
    chances: tuple[float, ...]
    taken: int


class Thought(msgspec.Struct, frozen=True):
    """What a policy weighed for its newest decision, for people to see; None or empty where it weighs no such thing.

    value: what it expects to earn from here on. candidates: in play; `taken` is one of them, `beta` the weight of the
    spread in their bounds. offer: the newest menu of cards.
    """

    value: float | None = None
    candidates: tuple[Candidate, ...] = ()
    taken: int = -1
    beta: float = 0.0
    offer: Offer | None = None


class Thinking(Protocol):
    """A policy that shows what it weighed."""

    def thought(self, carry: Any, game: int) -> Thought | None:
        """Of its newest decision in a game, None before the first; called on the loop a few times a second."""
        ...


class Measured(Protocol):
    """A policy that chose how it is computed."""

    @property
    def chosen(self) -> Any:
        """The way, as something with `as_builtins`."""
        ...

    def prepare_by(self, tensors: Tensors, where: str, way: str) -> Any:
        """What `load` takes, computed in the way that is named; raises WeightsError where that cannot be."""
        ...


class Placeable(Protocol):
    """A policy whose weights something else than the processor may compute; see `control.motor.Place`."""

    def place_by(self, place: Callable[[Tensors, Any], tuple[Any, Callable[[], Any] | None]]) -> None:
        """From now on let `place` say where weights of four bits are computed, and ask it about those that act."""
        ...


class Pursues(Protocol):
    """A policy that plays towards subgoals; `core.goals.vector.features` makes numbers of one."""

    def pursue(self, game: int, pursuit: Pursuit | None, judged: Judged | None) -> None:
        """Pursue this in a game from the next step on, None for nothing; called on the loop, also during a step.

        judged: how the pursuit stands. Called again whenever that is known anew.
        """
        ...

    def pursued(self, carry: Any, game: int) -> Subgoal | None:
        """The subgoal that its last decision in a game was for: all that a replay needs to know of a pursuit."""
        ...


class Capabilities(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a policy can do beside playing.

    The fields up to `thinking` are the policy itself, typed as what it can do, or None where it cannot. never_waits:
    its steps compute on this processor and wait for nothing, so short ones may run on the event loop; one that says
    nothing stays on a thread of its own. looks: pictures may change what it does now; where they cannot, no answer
    waits for one. apart: an episode with the same subgoals comes out the same to the bit, whatever is played before and
    beside it.
    """

    reloadable: Reloadable | None = None
    learnable: Learnable | None = None
    chooses_cards: ChoosesCards | None = None
    serving: Serving | None = None
    measured: Measured | None = None
    placeable: Placeable | None = None
    rehearsing: Rehearsing | None = None
    subgoals: Pursues | None = None
    thinking: Thinking | None = None
    never_waits: bool = False
    looks: bool = True
    apart: bool = False


ONLY_PLAYS: Final = Capabilities()


def capabilities_of(policy: Policy) -> Capabilities:
    """What a policy says that it can do; one that says nothing only plays."""
    found: Capabilities = getattr(policy, "capabilities", ONLY_PLAYS)
    return found


def version_of(policy: Policy) -> int:
    """The version of the weights that act, 0 for a policy without."""
    reloadable = capabilities_of(policy).reloadable
    return reloadable.version if reloadable is not None else 0


def path_of(policy: Policy) -> dict[str, Any]:
    """How the policy is computed: the path's name, the format of its weights, and what was measured; empty without."""
    measured = capabilities_of(policy).measured
    found: dict[str, Any] = measured.chosen.as_builtins() if measured is not None else {}
    return found
