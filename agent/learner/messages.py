"""What is said between a session and its learner's process, in both directions; both ends import it.

Rollouts and weights are the messages' payloads: rollouts as `bodies.pack_rollout` makes them, weights as safetensors.
"""

from __future__ import annotations

from agent.concurrency.frames import Message
from agent.core.rewards.tables import SCORE, Weights
from agent.learner.surprise.messages import Foresee, OpenWorld
from agent.learning.configs import Budget, PolicySpec


class Open(Message, frozen=True):
    """Hold a policy's learners. Payload: the weights to begin with, or nothing for fresh ones. Answer: `Opened`.

    `state` is the folder of the learners' state, empty where none is kept; `own`: a learner made the weights, so the
    optimisers' moments in the state fit them.
    """

    policy_spec: PolicySpec
    budget: Budget = Budget()
    state: str = ""
    own: bool = False


class Opened(Message, frozen=True):
    """The parts that learn, how they began, and where dreams learn. Payload: the weights."""

    parts: list[str]
    begun: str
    place: str


class Learn(Message, frozen=True):
    """Learn from a rollout, the payload. Answer: `Learned`."""

    policy: str


class Learned(Message, frozen=True):
    """Newest losses, parked parts with their reasons, seconds of each part, and steps. Payload: the new weights.

    `refused`: why nothing new is served (a part that serves is parked, its weights were not sound), "" where it is; the
    payload is empty then.
    """

    losses: dict[str, float]
    parked: dict[str, str]
    seconds: dict[str, float]
    steps: int
    refused: str = ""


class Imitate(Message, frozen=True):
    """Learn from a demonstration, the payload. Answer: `Imitated`."""

    policy: str


class Imitated(Message, frozen=True):
    """What came of it. Payload: the new weights."""

    metrics: dict[str, float]


class NextLesson(Message, frozen=True):
    """Ask the teacher's process for more of the kiter's play, paid by this table. Answer: `Lesson`."""

    reward: Weights = SCORE


class Lesson(Message, frozen=True):
    """So many decisions; payload: the rollout."""

    steps: int


class TakeLesson(Message, frozen=True):
    """Keep a rollout of another player, the payload, as prior data; without one only ask. Answer: `LessonsHeld`."""

    policy: str


class LessonsHeld(Message, frozen=True):
    """Decisions of lessons that were taken so far; `takes` is False where the policy's learners take none."""

    decisions: int
    takes: bool


class Load(Message, frozen=True):
    """Go on from the weights of the payload. Answer: `Done`."""

    policy: str


class ServeOutcomes(Message, frozen=True):
    """The model of outcomes, the payload, chooses cards in play. Answer: `Done`."""

    policy: str


class OfferOutcomes(Message, frozen=True):
    """Ask for a better model of outcomes than the one in play. Answer: `Outcomes`."""

    policy: str


class Outcomes(Message, frozen=True):
    """The trial of a better model, which is the payload; both are empty where there is none."""

    trial: dict[str, float] = {}


class Save(Message, frozen=True):
    """Write every state that has changed. Answer: `Saved`."""


class Saved(Message, frozen=True):
    """The policies whose states were written."""

    policies: list[str]


class Done(Message, frozen=True):
    """The call was served; there is nothing to say."""


Call = Open | Learn | Imitate | TakeLesson | Load | ServeOutcomes | OfferOutcomes | Save | OpenWorld | Foresee
