"""Replay of a recording without its game: every decision is computed again and compared with what was sent.

The observation is put together from the recorded packets, the weights come from beside the recording by their hash,
random numbers are drawn as in play. What another chose (a card by active inference) is taken from the record. Where
the machine computes otherwise than the one that recorded, that is said; nothing that differs passes silently.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from agent.control import menus
from agent.control.arbiter import Arbiter
from agent.control.cards.chooser import NAME as CHOOSER
from agent.control.cards.chooser import CardChooser, Memory
from agent.control.cards.expected_free_energy import CardEvaluation
from agent.control.cards.explorer import NAME as SCIENTIST
from agent.control.cards.explorer import Chosen, MenuOffer
from agent.control.cards.planned import PLANNER
from agent.control.policies import build_policy
from agent.control.policy import Policy, Tensors, capabilities_of
from agent.core.choices import WANTED
from agent.core.errors import ImageError, RecordingError
from agent.core.goals.progress import Tally, begin
from agent.core.rollout import BoolArray
from agent.core.types import HUMAN, FloatArray, Frame, GameState, Observation
from agent.journal.read import header_of_recording, records_of
from agent.journal.records import WEIGHTS, DecisionRecord, EventRecord, GapRecord, PacketRecord, SessionHeader
from agent.learning.configs import MOTOR
from agent.link.imaging import decode_frame
from agent.link.wire import decode_action, decode_state, encode_action
from agent.models.sizes import FLAT_KIND, FRAME_KIND, FlatSizes, FrameSizes
from agent.session.recording import REMEMBERED, RESTARTED, hash_of, machine

NOT_APART: Final = (
    "something of the recording is missing, and this policy draws random numbers that go on from episode to episode: "
    "later decisions may differ for that reason alone"
)


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The first decision that came out otherwise: its record's number, and both actions."""

    record: int
    game: str
    packet: int
    recorded: str
    computed: str
    deviation: float


class Replay(msgspec.Struct, kw_only=True):
    """What came of a replay. digest: SHA-256 of all computed actions; notes: what is said besides."""

    decisions: int = 0
    skipped: int = 0
    different: int = 0
    largest_deviation: float = 0.0
    first: Difference | None = None
    digest: str = ""
    recorded_s: float = 0.0
    notes: list[str] = []


class _RecordedChooser(CardChooser):
    """Proposes the card that was taken in play, where it was this chooser's; `planned` the planner's."""

    def __init__(self) -> None:
        super().__init__(WANTED, wishes=self)
        self.why = ""
        self.recorded: int | None = None
        self.planned: int | None = None

    def wish(self, game: int, captions: tuple[str, ...]) -> int | None:
        """The recorded card of the planner."""
        return self.planned

    def picked(self, game: int) -> None:
        """It was, in play."""

    def weigh(
        self, memory: Memory, options: FloatArray, allowed: BoolArray, context: FloatArray
    ) -> CardEvaluation | None:
        """Least energy for the recorded card."""
        if self.recorded is None or not 0 <= self.recorded < len(options):
            return None
        energy = np.ones(len(options), np.float32)
        energy[self.recorded] = 0.0
        return CardEvaluation(energy, energy, energy, energy, energy, energy)


class _RecordedMenus:
    """Decides menus as they were decided in play, by chance."""

    decides = True
    action = 0

    def choose(self, offer: MenuOffer) -> Chosen:
        """The recorded action; of a chest that was opened, −1 is recorded."""
        return Chosen(max(self.action, 0), False)

    def began(self, game: int) -> None:
        """Nothing is remembered of a run."""

    def took(self, game: int, caption: str) -> None:
        """Nothing is remembered of a run."""

    def closed(self, game: int, *, by_human: bool) -> None:
        """Nothing is remembered of a menu."""


class Replayer:
    """Computes the decisions of a recording, or compares those of one game, whose number is `only`.

    The other games are computed as well where the policy's random numbers go on from one to the next.
    """

    def __init__(self, path: Path, *, only: int | None = None) -> None:
        self._path, self._only = path, only
        self.header: SessionHeader = header_of_recording(path)
        if only is not None and not 0 <= only < len(self.header.games):
            raise RecordingError(f"{path}: has games 0 to {len(self.header.games) - 1}, not {only}")
        self._folder = path if path.is_dir() else path.parent
        self._weights = _weights_events(path)
        self.policy = self._build()
        self.result = Replay(notes=_other_machine(self.header, self.policy))
        self._chooser, self._menus = _RecordedChooser(), _RecordedMenus()
        self._arbiter = Arbiter()
        self._digest = hashlib.sha256()
        self._packets: dict[tuple[int, int], PacketRecord] = {}
        self._frames: dict[int, tuple[int, Frame | None]] = {}
        self._known: set[int] = set()
        self._prepare()

    def _build(self) -> Policy:
        """The policy as it was made, with other weights maybe: those that acted are loaded before they act."""
        header = self.header
        if header.policy == HUMAN:
            raise RecordingError(f"{self._path}: a person played; there is no policy's decision to compute again")
        if header.kind not in (FLAT_KIND, FRAME_KIND):
            return build_policy(header.policy, seed=header.seed)
        from agent.control.environment.policy import EnvPolicy, EnvWeights

        kind: type[FlatSizes | FrameSizes] = FlatSizes if header.kind == FLAT_KIND else FrameSizes
        sizes = msgspec.convert(header.sizes, kind)
        tensors = self._tensors(min(self._weights, default=0))
        return EnvPolicy(EnvWeights(header.kind, sizes, header.layout, tensors), seed=header.seed)

    def _prepare(self) -> None:
        can, header = capabilities_of(self.policy), self.header
        if header.asks_chooser and can.chooses_cards is not None:
            can.chooses_cards.choose_by(self._chooser, Arbiter())
        if header.learns and can.learnable is not None and (can.learnable.kind != MOTOR or header.off_policy):
            can.learnable.learn(header.games, lambda rollout: None, off_policy=header.off_policy)
        self._version: int | None = None
        self._prepared: dict[int, Any] = {}
        self._carry = self.policy.initial(len(header.games))
        self.policy.warm_up()

    def run(self) -> Replay:
        """Compute every decision; raises RecordingError where the recording or its weights are damaged or missing."""
        batch: list[tuple[int, DecisionRecord]] = []
        first_number: int | None = None
        for item in records_of(self._path):
            record = item.record
            if first_number is None:
                first_number = item.number
                if first_number == 1:
                    self._known = set(range(len(self.header.games)))
            if isinstance(record, DecisionRecord):
                if batch and batch[0][1].step != record.step:
                    self._step(batch)
                    batch = []
                batch.append((item.number, record))
            elif isinstance(record, PacketRecord):
                self._packets[record.game, record.number] = record
                self._packets.pop((record.game, record.number - 2 * REMEMBERED), None)
            elif isinstance(record, EventRecord) and record.kind == RESTARTED:
                self._step(batch)
                batch, self._carry = [], self.policy.initial(len(self.header.games))
            elif isinstance(record, GapRecord):
                self._step(batch)
                batch = []
                self._known.clear()
        self._step(batch)
        self.result.digest = self._digest.hexdigest()
        if self.result.skipped and not capabilities_of(self.policy).apart:
            self.result.notes.append(NOT_APART)
        return self.result

    def _step(self, batch: list[tuple[int, DecisionRecord]]) -> None:
        """Compute one step of the policy; a policy that asks a chooser takes one game after the other, as in play."""
        wanted = [row for row in batch if self._is_wanted(row[1])]
        for version in sorted({record.version for _, record in wanted}, reverse=True):  # a challenger's games go first
            self._take_weights(version)
            self._step_alike([row for row in wanted if row[1].version == version])

    def _step_alike(self, rows: list[tuple[int, DecisionRecord]]) -> None:
        """Compute a step's games that the weights in force play."""
        together = capabilities_of(self.policy).chooses_cards is None
        for part in [rows] if together else [[row] for row in rows]:
            record = part[0][1]
            self._chooser.recorded = record.card if record.policy_owner == CHOOSER else None
            is_unsaid = not record.policy_action and record.card >= 0  # too late to be sent: who chose it is not kept
            self._chooser.planned = record.card if is_unsaid or record.policy_owner == PLANNER else None
            by_chance = record.policy_owner == SCIENTIST or record.card >= menus.OTHER
            self._menus.action, self._chooser.menus = record.card, self._menus if by_chance else None
            if by_chance:
                self._chooser.planned = None
            observations: list[Observation | None] = [None] * len(self.header.games)
            for _, record in part:
                observations[record.game] = seen = self._observation(record)
                self._pursue(record, seen.state)
            self._carry, actions = self.policy.step(self._carry, observations)
            for number, record in part:
                if self._only in (None, record.game):
                    self._compare(number, record, actions[record.game])

    def _pursue(self, record: DecisionRecord, state: GameState) -> None:
        """Have the policy pursue what it pursued in play."""
        pursuing, subgoal = capabilities_of(self.policy).subgoals, record.subgoal
        if pursuing is not None:
            pursuing.pursue(record.game, begin(subgoal, Tally(), state, 0.0) if subgoal is not None else None, None)

    def _is_wanted(self, record: DecisionRecord) -> bool:
        """False for games that do not count, and for the rest of an episode of which something is missing."""
        if self._only not in (None, record.game) and capabilities_of(self.policy).apart:
            return False
        if record.is_first:
            self._known.add(record.game)
        if not self._is_there(record):
            self._known.discard(record.game)
        if record.game in self._known:
            return True
        self.result.skipped += self._only in (None, record.game)
        return False

    def _is_there(self, record: DecisionRecord) -> bool:
        """Whether the packets that a decision saw were recorded, as far as the policy looks at them."""
        looked = record.picture if capabilities_of(self.policy).looks else 0
        return all((record.game, number) in self._packets for number in {record.packet, looked or record.packet})

    def _take_weights(self, version: int) -> None:
        reloadable = capabilities_of(self.policy).reloadable
        if reloadable is None or version == self._version:
            return
        if version not in self._prepared:
            self._prepared = dict([*self._prepared.items()][-1:]) | {version: self._prepare_weights(version)}
        reloadable.load(self._prepared[version], version)
        self._version = version

    def _prepare_weights(self, version: int) -> Any:
        """What the policy loads to act as it did in the recording."""
        tensors, told = self._tensors(version), self._weights[version]
        found = str(self._folder / WEIGHTS / f"{told['sha256']}.safetensors")
        measured = capabilities_of(self.policy).measured
        if measured is not None and told["path"]:
            return measured.prepare_by(tensors, found, told["path"])
        reloadable = capabilities_of(self.policy).reloadable
        assert reloadable is not None
        return reloadable.prepare(tensors, found)

    def _tensors(self, version: int) -> Tensors:
        """The weights of a version; raises RecordingError where they are missing, damaged or others."""
        told = self._weights.get(version)
        if told is None:
            raise RecordingError(f"{self._path}: does not say which weights version {version} was")
        found = self._folder / WEIGHTS / f"{told['sha256']}.safetensors"
        try:
            tensors = load_file(found)
        except (OSError, SafetensorError) as error:
            raise RecordingError(f"{found}: weights of version {version}, missing or damaged: {error}") from error
        if hash_of(tensors) != told["sha256"]:
            raise RecordingError(f"{found}: these are not the weights of version {version}: their hash is another")
        return tensors

    def _observation(self, record: DecisionRecord) -> Observation:
        state = decode_state(self._packets[record.game, record.packet].state)
        return Observation(
            game=record.game, state=state, frame=self._frame(record),
            sequence=state.run.sequence if state.run is not None else None, elapsed_s=record.elapsed_s,
            received_at_s=record.received_at_s, reward=record.reward, is_first=record.is_first,
            is_last=record.is_last, is_terminal=record.is_terminal, is_won=record.is_won,
            by_human=record.owner == HUMAN,
        )  # fmt: skip

    def _frame(self, record: DecisionRecord) -> Frame | None:
        """The picture that the decision saw, decoded once, where the policy looks at pictures."""
        if record.picture == 0 or not capabilities_of(self.policy).looks:
            return None
        number, frame = self._frames.get(record.game, (0, None))
        if number != record.picture:
            packet = self._packets[record.game, record.picture]
            run = decode_state(packet.state).run
            try:
                pixels = decode_frame(packet.frame, run is not None and run.rows_top_down)
            except ImageError as error:
                raise RecordingError(f"{self._path}: the picture of packet {record.picture}: {error}") from error
            captured_s = run.capture_time_us * 1e-6 if run is not None else packet.received_at_s
            frame = Frame(pixels, captured_s, packet.received_at_s)
            self._frames[record.game] = record.picture, frame
        return frame

    def _compare(self, number: int, record: DecisionRecord, action: Any) -> None:
        recorded = record.policy_action
        if not recorded:  # the answer came too late to be sent
            return
        computed = self._arbiter.choose(action, record.policy_owner).action
        data = encode_action(computed)
        self._digest.update(data)
        self.result.decisions += 1
        self.result.recorded_s = max(self.result.recorded_s, record.at_s - self.header.began_s)
        if data == recorded:
            return
        sent = decode_action(recorded[4:])
        deviation = 0.0
        if sent is not None:
            pairs = zip((*sent.move, *sent.look), (*computed.move, *computed.look), strict=True)
            deviation = max(abs(a - b) for a, b in pairs)
        self.result.different += 1
        self.result.largest_deviation = max(self.result.largest_deviation, deviation)
        if self.result.first is None:
            self.result.first = Difference(
                record=number, game=self.header.games[record.game], packet=record.packet, recorded=str(sent),
                computed=str(computed), deviation=deviation,
            )  # fmt: skip


_SAME: Final = ("processor", "path", "torch_capability", "torch", "numpy", "numba")


def _other_machine(header: SessionHeader, policy: Policy) -> list[str]:
    """What about this machine may give other bits than the recording's."""
    here = machine(policy)
    return [
        f"not the machine of the recording: {name} {here.get(name) or 'none'} here, {header.machine[name]} there"
        for name in _SAME
        if header.machine.get(name) and here.get(name) != header.machine[name]
    ]


def _weights_events(path: Path) -> dict[int, dict[str, str]]:
    """Which weights each version was, from the whole recording: a decision may come before the event that tells it."""
    found: dict[int, dict[str, str]] = {}
    for item in _events(path):
        if item.kind == WEIGHTS:
            payload = item.payload
            found[int(payload["version"])] = {"sha256": str(payload["sha256"]), "path": str(payload["path"])}
    return found


def _events(path: Path) -> Iterator[EventRecord]:
    for item in records_of(path):
        if isinstance(item.record, EventRecord):
            yield item.record
