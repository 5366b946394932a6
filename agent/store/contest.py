"""Champion and challenger in play: where a challenger comes from, what ends its trial, what a restart keeps.

A challenger lies beside the versions of its policy as `challenger.safetensors`, with what was counted so far in
`challenge.json`. It is no version of the store until it is promoted, though it has a number that no version will get.
A file that a person gives (`weights challenge`) waits as `given.safetensors` until play takes it up. Its first 120
steps are tried as those of any weights. One process at a time holds the challenge of a policy.

Owns those files and the pair of policies; no task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from agent.concurrency.claims import claim, is_abandoned
from agent.concurrency.lane import Lane, Runner
from agent.concurrency.output import printable
from agent.concurrency.supervise import Failure
from agent.control.arbiter import Verdict
from agent.control.policy import Tensors
from agent.control.score import EpisodeResult
from agent.core.clock import Clock
from agent.core.errors import WeightsError
from agent.core.files import write_atomically
from agent.core.types import Observation
from agent.models.sealed import content_sha256, load_sealed, manifest_path, read_manifest, save_sealed
from agent.store.challenge import CHALLENGER, PROMOTE, UNSHOWN, WORSE, Challenge, Record
from agent.store.challenging import GIVEN
from agent.store.pair import Pair
from agent.store.reload import Reloader
from agent.store.trial import Trial

BY_HAND_SHARE: Final = 1 / 3
"""Share of the runs of a challenger that a person gives where the learner's get none."""
MIN_LEARNED: Final = 8192
"""Decisions that the learner learns from before it offers the next challenger: a nearly equal one shows nothing."""
LOOK_S: Final = 0.25
AGAIN_S: Final = 10.0
"""Pause after a promotion was refused by the disk, and between two looks at whether another play holds it still."""
RECORD: Final = "challenge.json"
WEIGHTS: Final = "challenger.safetensors"
CLAIM: Final = ".challenge.claim"
WHY: Final = {
    PROMOTE: "its scores are higher", WORSE: "its scores are lower", UNSHOWN: "no difference was shown",
}  # fmt: skip
log = structlog.get_logger(__name__)


class Contest:
    """The challenge of the policy that plays. share: of the learner's challengers, 0 where what it learns acts at once.

    part: told of each game that other weights play from now on. `say` hears of every challenger and decision.
    """

    def __init__(
        self,
        reloader: Reloader,
        inference: Runner,
        disk: Lane,
        clock: Clock,
        *,
        share: float,
        games: int,
        seed: int = 0,
        part: Callable[[int], None] | None = None,
        say: Callable[[str, str, dict[str, Any]], None] = lambda kind, message, payload: None,
        min_learned: int = MIN_LEARNED,
    ) -> None:
        self.share = share
        self._part = part or (lambda game: None)
        self.pair = Pair(reloader.policy, self._deal, self._failed, self._part)
        self.challenge = Challenge(Record(), share=share or BY_HAND_SHARE, seed=seed)
        self.from_learner = -1
        self.reloader, self._inference, self._disk, self._clock = reloader, inference, disk, clock
        self._games, self._seed, self._say = range(games), seed, say
        self._min_learned, self._learned = min_learned, 0
        self._lock = asyncio.Lock()
        self._home = reloader.store.home(reloader.policy.name)
        self._claim: Path | None = None
        self._tensors: Tensors = {}
        self._prepared: Any = None
        self._base = -1
        self._trial: Trial | None = None
        self._broken = ""
        self._starts_over = False
        self._saved = 0
        self._again_s = 0.0

    # --- beginning and end ---------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Go on with the challenge that an earlier play left; call it when the champion acts."""
        async with self._lock:
            await self._hold()

    async def _hold(self) -> None:
        """Hold the challenge of the policy and go on with it, unless another play holds it."""
        try:
            self._claim = await self._disk.run(self._take_claim)
        except WeightsError as error:
            self.reloader.refuse(CLAIM, str(error))
        if self._claim is None:
            self._again_s = self._clock.now_s() + AGAIN_S
            return
        record = await self._disk.run(self._read_record)
        self.challenge = Challenge(record, share=self.share or BY_HAND_SHARE, seed=self._seed)
        self._saved = len(record.values)
        if record.version:
            await self._go_on(record)

    async def _go_on(self, record: Record) -> None:
        policy, source = self.reloader.policy, record.source
        try:
            tensors, prepared = await self._disk.run(lambda: self._read_challenger(record))
        except WeightsError as error:
            self.reloader.refuse(WEIGHTS, str(error))
            await self._close("withdrawn", f"its weights cannot be used: {error}")
            return
        self._tensors, self._prepared = tensors, prepared
        if record.champion != await self._disk.run(lambda: content_sha256(policy.tensors)):
            await self._another_champion()
            return
        await self._act(record.version)
        self._tell("challenger_goes_on", f"challenger {record.version} from {source} goes on", self.challenge.figures())

    def close(self) -> None:
        """Let another play hold the challenge; safe where nothing was begun."""
        if self._claim is not None:
            self._claim.unlink(missing_ok=True)
            self._claim = None

    async def finish(self) -> None:
        """Write down what was counted."""
        if self._claim is not None:
            await self._save()

    # --- what happens in play ------------------------------------------------------------------------------------

    @property
    def holds_back(self) -> bool:
        """True while what the learner makes does not act at once."""
        return self.share > 0 or self.challenge.is_on

    def must_start_over(self) -> bool:
        """Whether the learner must go on from the champion's weights; told once after each time it must."""
        must, self._starts_over = self._starts_over, False
        return must

    def _deal(self, game: int) -> bool:
        """Who plays a run that begins; on the thread of the steps."""
        return self.reloader.policy.version == self._base and self.challenge.deal(game) == CHALLENGER

    def _failed(self, failure: Failure) -> None:
        """The challenger's step raised; on the thread of the steps."""
        self._broken = f"a step raised {failure.reason}"

    def ended(self, game: int, result: EpisodeResult) -> None:
        """A run of a game ended; between two steps."""
        if self.reloader.policy.version == self._base:
            self.challenge.ended(game, result)

    def stepped(self, version: int, observation: Observation, verdict: Verdict, missed: bool) -> None:
        """Hear of one answered observation; what the champion answers is for the reloader to judge."""
        if observation.by_human:  # a run that a person had a hand in says nothing of either
            self.challenge.break_off(observation.game)
        if not self.challenge.is_on or version != self.challenge.record.version:
            self.reloader.stepped(version, observation, verdict, missed)
            return
        trial = self._trial
        if trial is not None and not trial.passed:
            self._broken = trial.step(observation, verdict, missed)
            if self._broken:
                self._trial = None
                self.pair.end_soon()

    def failed(self, failure: Failure) -> bool:
        """The champion's step raised: True where older weights are about to take over."""
        return self.reloader.failed(failure)

    # --- challengers -----------------------------------------------------------------------------------------------

    async def offer(self, tensors: Tensors, source: str, *, decisions: int) -> bool:
        """Weights of the learner: True where they are the next challenger.

        decisions: that it has learned from since the offer before. Raises WeightsError where they cannot be played.
        """
        self._learned += decisions
        if not self.share or self._claim is None or self._learned < self._min_learned:
            return False
        async with self._lock:
            if self.challenge.is_on:
                return False
            return await self._start(tensors, source)

    async def _start(self, tensors: Tensors, source: str, *, by_hand: bool = False) -> bool:
        """These weights are the challenger, unless they are the champion's."""
        reloader, store, base = self.reloader, self.reloader.store, self.reloader.policy.version
        now = reloader.policy.tensors
        weights, champion = await self._disk.run(lambda: (content_sha256(tensors), content_sha256(now)))
        if weights == champion:
            return False
        try:
            self._prepared = await self._disk.run(lambda: reloader.prepare(tensors, source))
            version = await self._disk.run(lambda: store.reserve(reloader.policy.name))
            await self._disk.run(lambda: self._write_weights(tensors, source))
        except WeightsError as error:
            reloader.refuse(source, str(error))
            raise
        self._tensors, self._learned = tensors, 0
        self.challenge.begin(version, source, by_hand=by_hand, weights=weights, champion=champion)
        await self._act(version, base)
        await self._save()
        one_in = self.challenge.runs_a_block
        message = f"challenger {version} from {source} plays one run in {one_in} against version {base}"
        self._tell("challenger_begins", message, self.challenge.figures())
        return True

    async def _act(self, version: int, base: int | None = None) -> None:
        """Let the challenger play runs that begin from now on."""
        self._base = self.reloader.policy.version if base is None else base
        self._broken, self._trial = "", self.reloader.trial(version)
        await self._inference.run(lambda: self.pair.challenge(self._prepared, version))

    async def run(self) -> None:
        """Look at what was given and at what the runs say, four times a second; ends by cancellation."""
        while True:
            await self.look()
            await self._clock.sleep_until(self._clock.now_s() + LOOK_S)

    async def look(self) -> None:
        """Take up what a person gave, and decide where the runs so far do."""
        async with self._lock:
            if self._claim is None:
                if self._clock.now_s() >= self._again_s:
                    await self._hold()
                return
            await self._take_given()
            if not self.challenge.is_on:
                return
            if self.reloader.policy.version != self._base:
                await self._another_champion()
            elif self._broken:
                await self._discard(self._broken, is_harmful=True)
            elif verdict := self.challenge.verdict():
                await (self._promote() if verdict == PROMOTE else self._discard(WHY[verdict], verdict == WORSE))
            if len(self.challenge.record.values) != self._saved:
                await self._save()

    async def _take_given(self) -> None:
        try:
            found = await self._disk.run(self._read_given)
        except WeightsError as error:
            self.reloader.refuse(GIVEN, str(error))
            return
        if found is None:
            return
        source, tensors = found
        if self.challenge.is_on:
            await self._withdraw(f"{source} was given")
        try:
            if not await self._start(tensors, source, by_hand=True):
                self.reloader.refuse(source, f"{source}: these are the weights that act")
        except WeightsError:
            return

    async def _another_champion(self) -> None:
        """Other weights act than those that were played against: only a person's challenger begins anew."""
        record, tensors = self.challenge.record, self._tensors
        source, by_hand = record.source, record.by_hand
        if record.champion == await self._disk.run(lambda: content_sha256(self.reloader.policy.tensors)):
            self._base = self.reloader.policy.version
            return
        await self._withdraw(f"version {self.reloader.policy.version} acts now")
        if by_hand:
            try:
                await self._start(tensors, source, by_hand=True)
            except WeightsError:
                return

    async def _promote(self) -> None:
        if self._clock.now_s() < self._again_s:
            return
        record, figures = self.challenge.record, self.challenge.figures()
        source, by_hand = record.source, record.by_hand
        try:
            version = await self.reloader.promote(
                self._prepared, self._tensors, source, {"challenge": figures}, base=self._base
            )
        except WeightsError:
            self._again_s = self._clock.now_s() + AGAIN_S
            return
        for game in self._games:
            self._part(game)
        if not by_hand:
            self.from_learner = version
        said = await self._close("promoted", WHY[PROMOTE])
        self._tell("challenger_promoted", f"{in_words(said)}; it is version {version}", {**said, "as_version": version})

    async def _discard(self, why: str, is_harmful: bool) -> None:
        """The champion stays. What harms halves the share, and the learner goes on from the champion's weights."""
        by_hand = self.challenge.record.by_hand
        said = await self._close("discarded", why, halves=is_harmful and not by_hand)
        self._starts_over |= is_harmful and not by_hand
        self._tell("challenger_discarded", in_words(said), said)

    async def _withdraw(self, why: str) -> None:
        said = await self._close("withdrawn", why)
        self._tell("challenger_withdrawn", in_words(said), said)

    async def _close(self, decision: str, why: str, *, halves: bool = False) -> dict[str, Any]:
        await self._inference.run(self.pair.end)
        said = self.challenge.close(decision, why=why, halves=halves)
        self._tensors, self._prepared, self._trial, self._broken, self._learned = {}, None, None, "", 0
        await self._save()
        await self._disk.run(lambda: _remove(self._home / WEIGHTS))
        return said

    def _tell(self, kind: str, message: str, payload: dict[str, Any]) -> None:
        self._say(kind, message, payload)
        log.info(kind, policy=self.reloader.policy.name, message=message)

    # --- files; on the lane of the disk ------------------------------------------------------------------------------

    def _take_claim(self) -> Path | None:
        """The claim, None where another play has it; raises WeightsError."""
        path = self._home / CLAIM
        try:
            if is_abandoned(path):
                path.unlink(missing_ok=True)
            return path if claim(path) else None
        except OSError as error:
            raise WeightsError(f"{path}: {error.strerror or error}; there are no challenges") from error

    def _read_record(self) -> Record:
        path = self._home / RECORD
        try:
            return msgspec.json.decode(path.read_bytes(), type=Record)
        except FileNotFoundError:
            return Record()
        except (OSError, RecursionError, msgspec.DecodeError, msgspec.ValidationError) as error:
            log.warning("challenge_unreadable", path=str(path), reason=str(error))
            return Record()

    def _read_challenger(self, record: Record) -> tuple[Tensors, Any]:
        path = self._home / WEIGHTS
        _, tensors = load_sealed(path, follow_links=False)
        if content_sha256(tensors) != record.weights:
            raise WeightsError(f"{path}: holds other weights than {RECORD} says")
        return tensors, self.reloader.prepare(tensors, str(path))

    def _read_given(self) -> tuple[str, Tensors] | None:
        """The name and the tensors of a person's file, which is removed; None where there is none."""
        path = self._home / GIVEN
        if not path.is_file():
            return None
        try:
            source = printable(read_manifest(path).created_by) or GIVEN
            return source, self.reloader.read_file(path)[1]
        finally:
            _remove(path)

    def _write_weights(self, tensors: Tensors, source: str) -> None:
        policy, path = self.reloader.policy, self._home / WEIGHTS
        try:
            save_sealed(
                path, tensors, kind=policy.kind, layout=policy.layout,
                sizes=dict(msgspec.to_builtins(policy.sizes) or {}), created_by=source,
            )  # fmt: skip
        except OSError as error:
            raise WeightsError(f"{path}: {error.strerror or error}; there is no challenge") from error

    async def _save(self) -> None:
        data, self._saved = msgspec.json.encode(self.challenge.record), len(self.challenge.record.values)
        await self._disk.run(lambda: self._write_record(data))

    def _write_record(self, data: bytes) -> None:
        try:
            write_atomically(self._home / RECORD, data)
        except OSError as error:
            log.warning("challenge_not_written", reason=f"{self._home / RECORD}: {error.strerror or error}")

    def status(self) -> dict[str, Any]:
        """Champion and challenger with their runs, the difference, what is needed, and the last decisions."""
        challenge = self.challenge
        record = challenge.record
        shown = {**challenge.figures(), "runs_needed": challenge.runs_needed()} if challenge.is_on else None
        return {
            "share": self.share, "next_share": round(1 / challenge.runs_a_block, 4),
            "is_held_here": self._claim is not None,
            "champion": self.reloader.policy.version, "challenger": shown,
            "promoted": record.promoted, "discarded": record.discarded, "decisions": record.decisions[-5:],
        }  # fmt: skip


def in_words(said: dict[str, Any]) -> str:
    """A decision with its figures, in one line."""
    runs, mean, d, won = said["runs"], said["mean"], said["difference"], said["won_minus_lost"]
    start = f"challenger {said['version']} from {said['source']} {said['decision']}: {said['why']}"
    if not runs["challenger"]:
        return start
    worst, blocks = said["blocks"]["challenger_worst"], said["blocks"]["count"]
    unit, difference = ("", "") if d is None else (" s", f"difference {_interval(d)} s, ")
    return (
        f"{start}; {runs['challenger']} of its runs have a mean of {mean['challenger']:g}{unit}, {runs['champion']} of "
        f"the champion's {mean['champion']:g}{unit}; {difference}share of runs won minus lost {_interval(won)}; "
        f"its run was the worst in {worst} of {blocks} blocks"
    )


def _interval(ends: dict[str, float]) -> str:
    return f"{ends['mean']:+.4g} ({ends['low']:+.4g} to {ends['high']:+.4g})"


def _remove(path: Path) -> None:
    """Delete a file of weights and its manifest; one that stays does no harm."""
    for each in (manifest_path(path), path):
        try:
            each.unlink(missing_ok=True)
        except OSError as error:
            log.warning("weights_not_removed", path=str(each), reason=str(error))
