"""The learner's process: one thread of low priority that takes calls in order; run by `learner.client`.

Calls: `open` a policy (with weights, or fresh), `learn` from a rollout, `clone` a demonstration, `load` other weights,
`save` all states, `serve_outcomes` names the model that chooses cards in play, `outcomes` asks for a better one.
A part that fails is parked by name with its reason; the others go on, and the answer says so. What a policy's learners
hold is saved every `SAVE_EVERY` rollouts, after the answer, and on `save`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import psutil

from agent.concurrency.frames import Head, serve_calls
from agent.concurrency.supervise import Failure, attempt
from agent.core.clock import SystemClock
from agent.core.errors import RequestError, WeightsError
from agent.core.rollout import check_rollout
from agent.learner.bodies import unpack_rollout

if TYPE_CHECKING:
    from agent.learning.learner import PolicyLearner

SAVE_EVERY: Final = 20
SAVE_AFTER_S: Final = 120.0


def lower_priority() -> None:
    """Whatever else this machine does goes first."""
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(10)


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
        self._ends = False

    def handle(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Answer one call."""
        calls = {
            "open": self._open, "learn": self._learn, "clone": self._clone, "load": self._load, "save": self._save,
            "outcomes": self._outcomes, "serve_outcomes": self._serve_outcomes,
        }  # fmt: skip
        return calls[head["do"]](head, payload)

    def _open(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        from safetensors.numpy import load, save

        from agent.control.untrained import default_sizes
        from agent.learner.placement import place_for
        from agent.learning.configs import DREAMER, PILOT, Budget, PolicySpec
        from agent.learning.learner import PolicyLearner

        policy_spec = msgspec.convert(head["outline"], PolicySpec)
        if policy_spec.kind in (PILOT, DREAMER) and policy_spec.sizes is None:
            policy_spec = msgspec.structs.replace(policy_spec, sizes=default_sizes())
        budget = msgspec.convert(head["budget"], Budget)
        place, why = place_for(policy_spec, budget, self._clock.now_s)
        begun = self._resume(policy_spec.name, head.get("state", ""), lambda: PolicyLearner(policy_spec, budget, place))
        learner = self._policies[policy_spec.name]
        self._parked[policy_spec.name], self._losses[policy_spec.name] = {}, {}
        if payload:
            learner.take_weights(load(payload), keep_moments=head.get("own", False) and begun.startswith("resumed"))
        answer = {"parts": [part.name for part in learner.parts], "begun": begun, "place": why}
        return answer, save(learner.weights())

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

    def arrived(self, head: Head) -> None:
        """Hear of a call that comes: before a `save`, a rollout's later parts are left out."""
        self._ends |= head.get("do") == "save"

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

    def _save(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Save every state that has changed."""
        self._ends = False
        changed = [name for name, count in self._unsaved.items() if count]
        for name in changed:
            self._save_one(name)
        return {"saved": changed}, b""

    def _load(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        from safetensors.numpy import load

        self._policy(head).take_weights(load(payload))
        return {}, b""

    def _policy(self, head: Head) -> Any:
        learner = self._policies.get(head["policy"])
        if learner is None:
            raise WeightsError(f"policy {head['policy']} is not open here")
        return learner

    def _learn(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Every part in its turn; losses keep their last values where a part gave none."""
        from safetensors.numpy import save

        learner, name = self._policy(head), head["policy"]
        rollout = unpack_rollout(payload)
        reason = check_rollout(rollout, learner.features, learner.spec)
        if reason:
            raise RequestError(400, reason)
        parked, losses, seconds = self._parked[name], self._losses[name], {}
        for part in learner.parts:
            if part.name in parked or self._ends:
                continue
            start_s = self._clock.now_s()
            report = attempt(partial(part.update, rollout))
            seconds[part.name] = round(self._clock.now_s() - start_s, 3)
            if isinstance(report, Failure):
                parked[part.name] = report.reason
                print(f"learner: {name}: {part.name} parked: {report.reason}", file=sys.stderr, flush=True)
            else:
                losses |= {key: value for key, value in report.items() if value == value and abs(value) != float("inf")}
        if name in self._folders:
            self._unsaved[name] += 1
            self._rollouts[name] += 1
        answer = {"losses": losses, "parked": parked, "seconds": seconds, "steps": len(rollout)}
        return answer, save(learner.weights())

    def _serve_outcomes(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        from safetensors.torch import load

        chooser = self._policy(head).chooser
        if chooser is not None:
            chooser.serve(load(payload))
        return {}, b""

    def _outcomes(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """A model of outcomes that has become better than the one in play, with its trial; none: an empty answer."""
        from safetensors.torch import save

        chooser = self._policy(head).chooser
        offered = chooser.offer() if chooser is not None and chooser.name not in self._parked[head["policy"]] else None
        if offered is None:
            return {}, b""
        tried, tensors = offered
        return {"trial": tried.as_report()}, save(tensors)

    def _clone(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Imitate a demonstration: some epochs of maximum likelihood."""
        from safetensors.numpy import save

        learner = self._policy(head)
        rollout = unpack_rollout(payload)
        reason = check_rollout(rollout, learner.features, learner.spec)
        if reason:
            raise RequestError(400, reason)
        if learner.ppo is None:
            raise RequestError(400, f"policy {head['policy']} is a dreamer, which does not imitate")
        return {"metrics": learner.ppo.imitate(rollout)}, save(learner.weights())


if __name__ == "__main__":
    lower_priority()
    process = LearnerProcess()
    serve_calls(process.handle, process.after, process.arrived)
