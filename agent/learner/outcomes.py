"""The model of outcomes that chooses cards: where it comes from, when it may choose, its versions in the store.

At the start the store's newest model of this policy, else the shipped one where game and tier are those that it
learned from. A model chooses where it foretold held-out outcomes better than their frequencies do, and better than
without being told which card was taken. Works on the lane of the disk that it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from agent.concurrency.lane import Lane, Runner
from agent.control.arbiter import Arbiter
from agent.control.cards.chooser import KIND, CardChooser, layout
from agent.core.errors import WeightsError
from agent.learner.client import Known, Learning
from agent.learning.configs import MIN_HELD
from agent.models.sealed import Manifest, Tensors, load_sealed
from agent.store.store import WeightsStore, outcomes_name

SHIPPED: Final = Path(__file__).resolve().parents[1] / "shipped" / "outcomes.safetensors"
LEARNED_TIER: Final = 1
"""The tier of the arena that the shipped model learned in; in a higher one its cards cost today's pilot score."""
log = structlog.get_logger(__name__)


def shipped_for(game: str, policy: str | None, tier: int) -> Path | None:
    """The shipped model, for a pilot in the game and the tier that it learned in; else None."""
    return SHIPPED if game == "arena" and tier == LEARNED_TIER and policy in (None, "pilot") else None


def reason_not_to_choose(notes: dict[str, Any]) -> str:
    """Why a model with this trial may not choose yet, or "" where it may."""
    held, loss = notes.get("efe_held_choices", 0.0), notes.get("efe_held_loss")
    frequencies, any_option = notes.get("efe_held_frequencies"), notes.get("efe_held_any_option")
    if loss is None or frequencies is None or any_option is None or held < MIN_HELD:
        return f"the model of outcomes was tried on {held:.0f} held-out choices; {MIN_HELD} are needed"
    if not loss < frequencies:
        return f"the model foretells outcomes no better ({loss:.4f} nats) than their frequencies ({frequencies:.4f})"
    if not loss < any_option:
        return f"the model foretells outcomes no better for being told the card ({loss:.4f} nats, {any_option:.4f})"
    return ""


class OutcomeWeights:
    """The models of one policy in one session. `say` hears of every exchange and refusal."""

    def __init__(
        self,
        chooser: CardChooser,
        arbiter: Arbiter,
        policy: str,
        inference: Runner,
        disk: Lane,
        *,
        store: WeightsStore | None = None,
        shipped: Path | None = None,
        say: Callable[[str, str, dict[str, Any]], None] = lambda kind, message, payload: None,
    ) -> None:
        self.chooser = chooser
        self.source = ""
        self.refused = ""
        self._tensors: Tensors = {}
        self._arbiter, self._policy, self._inference = arbiter, policy, inference
        self._store, self._shipped, self._say = store, shipped, say
        self._disk = disk

    @property
    def name(self) -> str:
        """Of the models in the store."""
        return outcomes_name(self._policy)

    async def begin(self) -> None:
        """Take up the model to begin with, where there is one."""
        await self._disk.run(self._begin)

    def _begin(self) -> None:
        if self._store is not None and (current := self._store.current(self.name)) is not None:
            try:
                self._take(current.manifest, self._store.load(self.name)[1], f"version {current.version}")
                return
            except WeightsError as error:
                self._refuse(str(error))
        if self._shipped is None:
            self.chooser.why = "there is no model of outcomes of this game yet; it is learned from play"
            return
        try:
            self._take(*load_sealed(self._shipped), "shipped")
        except WeightsError as error:
            self._refuse(str(error))
            self.chooser.why = f"the shipped model of outcomes was refused: {error}"

    def _take(self, manifest: Manifest, tensors: Tensors, source: str) -> None:
        if manifest.kind != KIND or manifest.layout != layout():
            raise WeightsError(f"{source}: holds a {manifest.kind} of {manifest.layout}, not {KIND} of {layout()}")
        model = self.chooser.prepare(tensors, source)
        self.chooser.load(model, manifest.version, reason_not_to_choose(manifest.notes))
        self.source, self._tensors = source, tensors

    def packed(self) -> bytes:
        """The model in force as safetensors, for its learner; empty without one."""
        return save_tensors(self._tensors) if self._tensors else b""

    async def offer(self, tensors: Tensors, notes: dict[str, Any]) -> None:
        """Try a model that was learned, store it as the next version, and choose by it; a bad one changes nothing."""
        store = self._store
        if store is None:
            return
        try:
            model = await self._disk.run(lambda: self.chooser.prepare(tensors, "learner"))
            stored = await self._disk.run(
                lambda: store.publish(self.name, tensors, kind=KIND, layout=layout(), created_by="learner", notes=notes)
            )
        except WeightsError as error:
            self._refuse(str(error))
            return
        why = reason_not_to_choose(notes)
        await self._inference.run(lambda: self.chooser.load(model, stored.version, why))
        self.source, self._tensors = f"version {stored.version}", tensors
        self._say("outcomes_live", f"model of outcomes, version {stored.version}", {"version": stored.version})

    async def learn_from(self, learning: Learning, policy: Known) -> None:
        """Ask the learner of a policy for a better model, and try it where there is one."""
        trial, payload = await learning.better_outcomes(policy)
        if payload:
            await self.offer(await self._disk.run(lambda: load_tensors(payload)), dict(trial))

    def _refuse(self, reason: str) -> None:
        self.refused = reason
        self._say("outcomes_refused", reason, {})
        log.warning("outcomes_refused", reason=reason)

    def status(self) -> dict[str, Any]:
        """Who chooses, why, and what came of the last choice."""
        return {**self.chooser.status(self._arbiter), "source": self.source, "refused": self.refused}
