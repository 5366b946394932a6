"""CPQE in play: a pilot that sees and remembers, and a motor that plans chunks of decisions on what it does.

The pilot's network runs at every decision, chooses cards and keeps the memory. Every few decisions the student makes a
new chunk towards the subgoal that is pursued; or it makes several, the critics bound them, and the best is executed,
where the rest of the running chunk is always a candidate. Between decisions the action is held.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from agent.control import encode
from agent.control.chunks.experience import MotorRecorder
from agent.control.chunks.network import Plan, Planner, build_planner, make_chunks, plan
from agent.control.chunks.seams import Running
from agent.control.experience import RolloutRecorder
from agent.control.motor import KEPT_NOISE, Motor, PilotCarry, Prepared
from agent.control.policy import Candidate, Capabilities, Thought
from agent.control.reflex.network import BUTTONS, Reflex, Tensors
from agent.core.errors import WeightsError
from agent.core.goals.progress import Judged, Pursuit
from agent.core.goals.vector import GOAL_FEATURES, PLACED_FEATURES, GoalColumn, features, placed
from agent.core.goals.vector import describe as describe_goal
from agent.core.goals.vocabulary import Subgoal, SubgoalKind
from agent.core.rollout import MOTOR_ACTIONS, Rollout
from agent.core.types import Action, FloatArray, Observation
from agent.models.sealed import load_kind
from agent.models.sizes import CpqeSizes

KIND: Final = "motor"
BEST_OF_8: Final = "motor-best-of-8"
"""The name of the policy in which critics choose among eight chunks."""
TRAINED: Final = (
    Subgoal(SubgoalKind.OPEN, "chest"), Subgoal(SubgoalKind.OPEN, "shrine"), Subgoal(SubgoalKind.BOSS),
    Subgoal(SubgoalKind.COLLECT, "xp"),
)  # fmt: skip
"""Subgoals that motors are trained on, whatever their amount; with another one they play as without."""
GOAL_REWARD: Final = (0.2, 0.2, 0.4, 0.1)
"""What one chest, shrine, boss or level is worth to who pursues it, in minutes survived."""
_KNOWN: Final = {(subgoal.kind, subgoal.what): number for number, subgoal in enumerate(TRAINED)}
PILOT_PREFIX: Final = "pilot."
CANDIDATES: Final = 8
"""Chunks that are made anew for each choice; the first is of no noise, where chunks are likeliest."""
COMMITTED: Final = 1
"""Decisions of a chunk that are executed before it is weighed again."""
BETA: Final = 1.0
MARGIN: Final = 1e-3
"""How much more a new chunk must be worth to take the running one's place."""
PLAY_SPREAD: Final = 0.3
"""Deviation of the noise that chunks are made of where what is played is learned from; weights expect 1 at most."""
_CANNED_ROWS: Final = 4
_AMOUNT: Final = 0.1 * math.log1p(1.0)


def describe() -> dict[str, Any]:
    """What a motor observes, for manifests: what its pilot does."""
    return encode.describe() | describe_goal()


def motor_tensors(path: Path) -> Tensors:
    """The tensors of a sealed file; raises WeightsError where it is not a motor that observes what we encode."""
    return load_kind(path, KIND, describe())


def pilot_part(tensors: Tensors) -> Tensors:
    """The pilot's tensors by their own names."""
    return {n.removeprefix(PILOT_PREFIX): t for n, t in tensors.items() if n.startswith(PILOT_PREFIX)}


def _features(pilot: Reflex) -> int:
    """How many numbers a pilot sees and remembers."""
    return int(pilot.join.b.shape[0]) + int(pilot.gates.b.shape[0]) // 4


class Chunked(msgspec.Struct, frozen=True, eq=False):
    """A motor's compiled part, and its widths."""

    planner: Planner
    sizes: CpqeSizes


def checked_planner(tensors: Tensors, features: int, where: str) -> Chunked:
    """Student and critics of these tensors, tried on canned conditions; raises WeightsError where they do not fit."""
    try:
        planner = build_planner(tensors)
        sizes = _sizes(planner, features)
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{where}: not the tensors of a motor: {error}") from error
    chunked, rng = Chunked(planner, sizes), np.random.default_rng(0)
    for _ in range(_CANNED_ROWS):
        condition = rng.standard_normal(features + sizes.goal).astype(np.float32)
        made = likeliest(chunked, condition)
        found = best_of_8(chunked, condition, rng, made)
        if not all(np.isfinite(part).all() for part in (made, found.chunk, found.bounds)):
            raise WeightsError(f"{where}: a canned observation gives values that are not finite")
    return chunked


def _sizes(p: Planner, features: int) -> CpqeSizes:
    """The widths by the arrays' shapes; raises ValueError. Compiled code does not check its indices."""
    each = 4 + BUTTONS
    width, members = p.student.out.shape[2], p.critics.first.shape[0]
    chunk, student_hidden, hidden = width // each, p.student.first.shape[2], p.critics.first.shape[2]
    for name, stack, inputs, outputs in (
        ("student", p.student, p.student.first.shape[1], chunk * each),
        ("critics", p.critics, p.critics.first.shape[1], len(p.bins)),
    ):
        layers, h = stack.rest.shape[1] + 1, stack.first.shape[2]
        m = stack.first.shape[0]
        expected = (
            (m, inputs, h), (m, layers - 1, h, h), (m, layers, h), (m, layers, h), (m, layers, h), (m, h, outputs),
            (m, outputs),
        )  # fmt: skip
        found = tuple(a.shape for a in stack)
        if found != expected:
            raise ValueError(f"{name}: widths are {found}, {expected} are needed")
    goal = p.student.first.shape[1] - features - 2 * width - chunk
    executed = (p.critics.first.shape[1] - features - goal) // each
    read = features + goal + executed * each
    if goal != PLACED_FEATURES or not 1 <= executed <= chunk or p.critics.first.shape[1] != read:
        raise ValueError(f"{p.student.first.shape[1]} and {p.critics.first.shape[1]} inputs with {features} features")
    return CpqeSizes(
        features, each, chunk, executed, goal, student_hidden, hidden, p.student.rest.shape[1] + 1, members,
        len(p.bins), float(p.bins[0]), float(p.bins[-1]),
    )  # fmt: skip


def likeliest(c: Chunked, condition: FloatArray) -> FloatArray:
    """The student's chunk [W] of no noise, where chunks are likeliest."""
    return made_of(c, condition, np.zeros(c.sizes.chunk * c.sizes.action, np.float32))


def made_of(c: Chunked, condition: FloatArray, noise: FloatArray) -> FloatArray:
    """The student's chunk [W] of this noise [W]."""
    nothing = np.zeros_like(noise), np.zeros(c.sizes.chunk, np.float32)
    chunk: FloatArray = make_chunks(c.planner.student, condition, noise[None], *nothing)[0]
    return chunk


def best_of_8(c: Chunked, condition: FloatArray, rng: np.random.Generator, running: FloatArray | None) -> Plan:
    """The chunk that the critics bound highest, among the likeliest, seven drawn ones and the running one."""
    width = c.sizes.chunk * c.sizes.action
    noise = rng.standard_normal((CANDIDATES, width)).astype(np.float32)
    noise[0] = 0.0
    nothing = np.zeros(width, np.float32), np.zeros(c.sizes.chunk, np.float32)
    left = np.zeros(0, np.float32) if running is None else running
    found: Plan = plan(c.planner, condition, noise, *nothing, left, BETA, MARGIN)
    return found


class ChunkCarry(PilotCarry):
    """What is remembered of one game beside the pilot's: the running chunk, and how many were made.

    pursued: the subgoal that the chunk is for. chunk_noise [W]: what its chunks are made of, where that is noise.
    planned: how the critics chose it, for people to see.
    """

    running: Running | None = None
    pursued: Subgoal | None = None
    plans: int = 0
    chunk_noise: FloatArray | None = None
    planned: Plan | None = None


class ChunkMotor(Motor):
    """A motor as a policy; by the name `BEST_OF_8` critics choose its chunks."""

    kind = KIND
    spec = MOTOR_ACTIONS
    records_cards = False

    def __init__(self, tensors: Tensors, *, seed: int = 0, name: str = KIND) -> None:
        super().__init__(pilot_part(tensors), seed=seed, name=name, hold=True)
        self._by_critics = name == BEST_OF_8
        self._pursuits: dict[int, tuple[Pursuit, Judged | None]] = {}
        self.chunked = checked_planner(tensors, _features(self.reflex), name)
        self.tensors = tensors

    @property
    def capabilities(self) -> Capabilities:
        """What it can do beside playing."""
        return Capabilities(
            reloadable=self, learnable=self, chooses_cards=self, measured=self, subgoals=self, thinking=self,
            never_waits=True, looks=self._looks, apart=True,
        )  # fmt: skip

    @property
    def layout(self) -> dict[str, Any]:
        """What it observes: what its pilot does, and a subgoal."""
        return describe()

    @property
    def sizes(self) -> CpqeSizes:
        """The widths of student and critics."""
        return self.chunked.sizes

    def learn(
        self, names: tuple[str, ...], emit: Callable[[Rollout], None], *, steps: int = 256, off_policy: bool = True
    ) -> RolloutRecorder:
        """From now on try other chunks too, write down what is done in the games of these names, and `emit` it.

        The noise of a chunk goes on from decision to decision, as a pilot's does off policy. Whoever learns from it may
        from rollouts of any age, whatever `off_policy` says. Best-of-8 draws its candidates as ever.
        """
        features = self.sizes.features + self.sizes.goal
        self.recorder = MotorRecorder(
            self.name, names, emit, steps=steps, features=features, paid=GOAL_REWARD, pursued=self._number_of_pursued
        )
        return self.recorder

    def _number_of_pursued(self, game: int) -> int | None:
        """The place in `TRAINED` of what is pursued in a game."""
        found = self._pursuits.get(game)
        return None if found is None else _KNOWN[found[0].subgoal.kind, found[0].subgoal.what]

    def pursue(self, game: int, pursuit: Pursuit | None, judged: Judged | None) -> None:
        """Pursue this in a game from its next chunk on; one that motors are not trained on is nothing."""
        if pursuit is None or (pursuit.subgoal.kind, pursuit.subgoal.what) not in _KNOWN:
            self._pursuits.pop(game, None)
        else:
            self._pursuits[game] = pursuit, judged

    def pursued(self, carry: list[PilotCarry], game: int) -> Subgoal | None:
        """The subgoal that the running chunk of a game is for."""
        remembered = carry[game]
        assert isinstance(remembered, ChunkCarry)
        return remembered.pursued

    def thought(self, carry: list[PilotCarry], game: int) -> Thought | None:
        """As the pilot's, with the chunks that the critics bounded: the first action of each."""
        found, one = super().thought(carry, game), carry[game]
        assert isinstance(one, ChunkCarry)
        if found is None or one.planned is None:
            return found
        p = one.planned
        each = zip(p.chunks[:, :4].tolist(), p.bounds.tolist(), p.spreads.tolist(), strict=True)
        seen = tuple(Candidate((a[0], a[1]), (a[2], a[3]), bound, spread) for a, bound, spread in each)
        return msgspec.structs.replace(found, candidates=seen, taken=int(p.taken), beta=BETA)

    def prepare(self, tensors: Tensors, where: str) -> Any:
        """The networks of these tensors, tried; raises WeightsError."""
        chosen, _, take_up = super().prepare(pilot_part(tensors), where)
        return (chosen, tensors, take_up), checked_planner(tensors, _features(chosen.reflex), where)

    def prepare_by(self, tensors: Tensors, where: str, way: str) -> Any:
        """As `prepare`, computed by the processor in the way that is named; WeightsError where there is none of it."""
        (_, _, take_up), chunked = self.prepare(tensors, where)
        chosen, _, _ = super().prepare_by(pilot_part(tensors), where, way)
        return (chosen, tensors, take_up), chunked

    def load(self, prepared: Any, version: int) -> None:
        """Act with these networks from the next step on; a running chunk is finished by the new ones' judgement."""
        of_pilot, self.chunked = prepared
        pilot: Prepared = of_pilot
        super().load(pilot, version)

    def initial(self, games: int) -> list[PilotCarry]:
        """No memory of any game."""
        return [ChunkCarry(**msgspec.structs.asdict(c)) for c in super().initial(games)]

    def _play(self, carry: PilotCarry, observation: Observation) -> Action:
        """The next action of the chunk, which is chosen anew every `COMMITTED` decisions."""
        assert isinstance(carry, ChunkCarry)
        decision, _, waited_s = self._decision(carry, observation.state)
        condition = np.concatenate((decision.seen, decision.hidden, self._goal(carry, observation)))
        if observation.is_first:
            carry.running, carry.chunk_noise, carry.plans = None, None, 0
        if carry.running is None or carry.running.taken >= COMMITTED:
            self._choose_chunk(carry, condition)
        assert carry.running is not None
        a = carry.running.take()
        move, turn = (float(a[0]), float(a[1])), (float(a[2]), float(a[3]))
        # What lies near is rarely used: the pilot knows when, and a chunk adds to it.
        interact = bool(a[6] > 0 or decision.buttons[2] > 0)
        if isinstance(self.recorder, MotorRecorder):
            self.recorder.decided(observation, condition, a, interact, waited_s, self.version)
        return Action(move, turn, bool(a[4] > 0), bool(a[5] > 0), interact)

    def _seen(self, carry: PilotCarry, observation: Observation) -> FloatArray:
        """What a decision on this observation would be made on, as it is recorded; the memory stays as it was."""
        assert isinstance(carry, ChunkCarry)
        decision = self._thought(carry, observation.state, carry.waited_s + observation.elapsed_s)
        return np.concatenate((decision.seen, decision.hidden, self._goal(carry, observation)))

    def _choose_chunk(self, carry: ChunkCarry, condition: FloatArray) -> None:
        """A new chunk; what is left of the running one is weighed too, its last action going on where it is short."""
        sizes, before = self.chunked.sizes, carry.running
        if not self._by_critics:
            chunk = likeliest(self.chunked, condition) if self.recorder is None else self._tried(carry, condition)
        else:
            fits = before is not None and before.rows.shape == (sizes.chunk, sizes.action)
            left = before.rest() if before and fits else None
            carry.planned = best_of_8(self.chunked, condition, carry.random, left)
            chunk = carry.planned.chunk
        carry.running, carry.plans = Running(chunk.reshape(sizes.chunk, sizes.action)), carry.plans + 1

    def _tried(self, carry: ChunkCarry, condition: FloatArray) -> FloatArray:
        """A chunk [W] near the likeliest one, of noise that goes on from the last one's."""
        fresh = carry.random.standard_normal(self.sizes.chunk * self.sizes.action).astype(np.float32)
        fresh *= np.float32(PLAY_SPREAD)
        before = carry.chunk_noise
        if before is not None and before.shape == fresh.shape:
            fresh = np.float32(KEPT_NOISE) * before + np.float32(math.sqrt(1.0 - KEPT_NOISE**2)) * fresh
        carry.chunk_noise = fresh
        return made_of(self.chunked, condition, fresh)

    def _goal(self, carry: ChunkCarry, observation: Observation) -> FloatArray:
        """The subgoal's vector as motors are trained on it: as if it had just begun."""
        goal = np.zeros(GOAL_FEATURES, np.float32)
        found = self._pursuits.get(observation.game)
        carry.pursued = found[0].subgoal if found is not None else None
        if found is not None:
            features(*found, observation.state, goal)
            goal[GoalColumn.LEFT], goal[GoalColumn.AMOUNT] = 1.0, _AMOUNT
        return placed(goal)
