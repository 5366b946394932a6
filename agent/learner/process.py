"""The learner's process: one thread of low priority that takes calls in order; run by `learner.client`.

The calls and answers stand in `learner.messages`. A part that fails, or whose numbers are not finite any more, is
parked by name with its reason; the others go on, and the answer says so. Weights leave this process only where they are
sound; the last sound ones are gone on from otherwise. What a policy's learners hold is saved every `SAVE_EVERY`
rollouts, after the answer, and on `Save`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agent.concurrency.frames import Message
from agent.concurrency.serving import limit_process, serve_calls
from agent.concurrency.supervise import Failure, attempt
from agent.core.clock import SystemClock
from agent.core.errors import RequestError, WeightsError
from agent.core.rollout import check_rollout
from agent.learner.bodies import unpack_rollout
from agent.learner.messages import (
    Call,
    Done,
    Imitate,
    Imitated,
    Learn,
    Learned,
    LessonsHeld,
    Load,
    OfferOutcomes,
    Open,
    Opened,
    Outcomes,
    Save,
    Saved,
    ServeOutcomes,
    TakeLesson,
)
from agent.learner.surprise.messages import Foresee, OpenWorld

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.learner.surprise.foreseer import Foreseer
    from agent.learning.learner import PolicyLearner

SAVE_EVERY: Final = 20
SAVE_AFTER_S: Final = 120.0
Answer = tuple[Message, bytes]


class LearnerProcess:
    """The policies that learn here, and which of their parts are parked."""

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        self._clock = SystemClock()
        self._policies: dict[str, PolicyLearner] = {}
        self._parked: dict[str, dict[str, str]] = {}
        self._losses: dict[str, dict[str, float]] = {}
        self._folders: dict[str, Path] = {}
        self._unsaved: dict[str, int] = {}
        self._rollouts: dict[str, int] = {}
        self._saved_s: dict[str, float] = {}
        self._sound: dict[str, dict[str, NDArray[Any]]] = {}
        self._ends = False
        self._foreseer: Foreseer | None = None

    def handle(self, message: Call, payload: bytes = b"") -> Answer:
        """Answer one call."""
        answers: dict[type, Callable[[Any, bytes], Answer]] = {
            Open: self._open, Learn: self._learn, Imitate: self._imitate, Load: self._load, Save: self._save,
            TakeLesson: self._take_lesson,
            OfferOutcomes: self._offer_outcomes, ServeOutcomes: self._serve_outcomes,
            OpenWorld: self._open_world, Foresee: self._foresee,
        }  # fmt: skip
        return answers[type(message)](message, payload)

    def _open(self, message: Open, payload: bytes) -> Answer:
        from safetensors.numpy import load, save

        from agent.control.untrained import default_sizes
        from agent.learner.placement import place_for
        from agent.learning.configs import DREAMER, PILOT
        from agent.learning.learner import PolicyLearner

        policy_spec = message.policy_spec
        if policy_spec.kind in (PILOT, DREAMER) and policy_spec.sizes is None:
            policy_spec = msgspec.structs.replace(policy_spec, sizes=default_sizes())
        place, why = place_for(policy_spec, message.budget, self._clock.now_s)
        begun = self._resume(policy_spec.name, message.state, lambda: PolicyLearner(policy_spec, message.budget, place))
        learner = self._policies[policy_spec.name]
        self._parked[policy_spec.name], self._losses[policy_spec.name] = {}, {}
        if payload:
            learner.take_weights(load(payload), keep_moments=message.own and begun.startswith("resumed"))
        self._sound[policy_spec.name] = learner.weights()
        answer = Opened(parts=[part.name for part in learner.parts], begun=begun, place=why)
        return answer, save(self._sound[policy_spec.name])

    def _resume(self, name: str, folder: str, make: Callable[[], PolicyLearner]) -> str:
        """Go on from the state in a folder, where there is one that fits; what came of it."""
        from agent.learner.state_files import resume

        if not folder:
            self._policies[name] = make()
            return "anew: states are not kept"
        self._folders[name], self._unsaved[name], self._saved_s[name] = Path(folder), 0, self._clock.now_s()
        self._policies[name], notes, reason = resume(self._folders[name], make)
        self._rollouts[name] = int(notes.get("rollouts", 0))
        return f"anew: {reason}" if reason else f"resumed after {self._rollouts[name]} rollouts"

    def arrived(self, message: Call) -> None:
        """Hear of a call that comes: before a `Save`, a rollout's later parts are left out."""
        self._ends |= isinstance(message, Save)

    def after(self) -> None:
        """Save the states that are due."""
        for name, count in self._unsaved.items():
            if count >= SAVE_EVERY and self._clock.now_s() - self._saved_s[name] >= SAVE_AFTER_S:
                self._save_one(name)

    def _save_one(self, name: str) -> None:
        from agent.learner.state_files import save

        self._saved_s[name] = self._clock.now_s()
        save(self._folders[name], self._policies[name], {"rollouts": self._rollouts[name]})
        self._unsaved[name] = 0

    def _save(self, message: Save, payload: bytes) -> Answer:
        """Save every state that has changed."""
        self._ends = False
        changed = [name for name, count in self._unsaved.items() if count]
        saved = []
        for name in changed:
            outcome = attempt(partial(self._save_one, name))
            if isinstance(outcome, Failure):
                print(f"learner: the state of {name} was not saved: {outcome.reason}", file=sys.stderr, flush=True)
            else:
                saved.append(name)
        return Saved(policies=saved), b""

    def _load(self, message: Load, payload: bytes) -> Answer:
        from safetensors.numpy import load

        learner = self._policy(message.policy)
        learner.take_weights(load(payload))
        self._sound[message.policy] = learner.weights()
        return Done(), b""

    def _policy(self, name: str) -> PolicyLearner:
        learner = self._policies.get(name)
        if learner is None:
            raise WeightsError(f"policy {name} is not open here")
        return learner

    def _learn(self, message: Learn, payload: bytes) -> Answer:
        """Every part in its turn; losses keep their last values where a part gave none."""
        from agent.learning.soundness import serving_parts, why_unsound

        learner, name = self._policy(message.policy), message.policy
        rollout = unpack_rollout(payload)
        reason = check_rollout(rollout, learner.features, learner.spec)
        if reason:
            raise RequestError(400, reason)
        parked, losses, seconds = self._parked[name], self._losses[name], {}
        serving = serving_parts(learner)
        for part in learner.parts:
            if part.name in parked or self._ends:
                continue
            start_s = self._clock.now_s()
            report = attempt(partial(part.update, rollout))
            seconds[part.name] = round(self._clock.now_s() - start_s, 3)
            why = report.reason if isinstance(report, Failure) else why_unsound(learner, part)
            if why and part.name in serving:
                learner.take_weights(self._sound[name])
            if why:
                parked[part.name] = why
                print(f"learner: {name}: {part.name} parked: {why}", file=sys.stderr, flush=True)
            elif not isinstance(report, Failure):
                losses |= {key: value for key, value in report.items() if value == value and abs(value) != float("inf")}
        if name in self._folders:
            self._unsaved[name] += 1
            self._rollouts[name] += 1
        refused = "; ".join(f"{part} is parked: {parked[part]}" for part in serving if part in parked)
        answer = Learned(losses=losses, parked=parked, seconds=seconds, steps=len(rollout), refused=refused)
        return answer, b"" if refused else self._served(name)

    def _served(self, name: str) -> bytes:
        """The weights that are served next, as safetensors; they are sound."""
        from safetensors.numpy import save

        self._sound[name] = self._policies[name].weights()
        return save(self._sound[name])

    def _serve_outcomes(self, message: ServeOutcomes, payload: bytes) -> Answer:
        from safetensors.torch import load

        chooser = self._policy(message.policy).chooser
        if chooser is not None:
            chooser.serve(load(payload))
        return Done(), b""

    def _offer_outcomes(self, message: OfferOutcomes, payload: bytes) -> Answer:
        """A model of outcomes that has become better than the one in play, with its trial; or an empty answer."""
        from safetensors.torch import save

        chooser = self._policy(message.policy).chooser
        offered = chooser.offer() if chooser is not None and chooser.name not in self._parked[message.policy] else None
        if offered is None:
            return Outcomes(), b""
        tried, tensors = offered
        return Outcomes(trial=tried.as_report()), save(tensors)

    def _take_lesson(self, message: TakeLesson, payload: bytes) -> Answer:
        """Keep a lesson, where the learner for play serves."""
        learner = self._policy(message.policy)
        if learner.off_policy is None:
            return LessonsHeld(decisions=0, takes=False), b""
        if payload:
            learner.off_policy.take_lessons(unpack_rollout(payload))
        return LessonsHeld(decisions=learner.off_policy.lessons.held, takes=True), b""

    def _open_world(self, message: OpenWorld, payload: bytes) -> Answer:
        """Load a world that foresees pictures; on a card where there is one."""
        import torch

        from agent.learner.placement import card
        from agent.learner.surprise.foreseer import Foreseer

        place = card()
        self._foreseer = Foreseer(message, torch.device("cpu") if place is None else place.device)
        return self._foreseer.opened(), b""

    def _foresee(self, message: Foresee, payload: bytes) -> Answer:
        if self._foreseer is None:
            raise RequestError(409, "no world is open here")
        return self._foreseer.foresee(message, payload), b""

    def _imitate(self, message: Imitate, payload: bytes) -> Answer:
        """Imitate a demonstration: some epochs of maximum likelihood."""
        from agent.learning.soundness import why_unsound

        learner = self._policy(message.policy)
        rollout = unpack_rollout(payload)
        reason = check_rollout(rollout, learner.features, learner.spec)
        if reason:
            raise RequestError(400, reason)
        if learner.ppo is None:
            raise RequestError(400, f"policy {message.policy} learns without PPO, which imitates")
        metrics = learner.ppo.imitate(rollout)
        unsound = why_unsound(learner, learner.ppo)
        if unsound:
            learner.take_weights(self._sound[message.policy])
            self._parked[message.policy][learner.ppo.name] = unsound
            raise RequestError(400, f"the demonstration was not taken up, ppo is parked: {unsound}")
        return Imitated(metrics=metrics), self._served(message.policy)


if __name__ == "__main__":
    limit_process(low_priority=True)
    process = LearnerProcess()
    serve_calls(Call, process.handle, process.after, process.arrived)
