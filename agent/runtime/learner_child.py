"""The learner's process: one thread of low priority that takes calls in order; run by `runtime.learning`.

Calls: `open` a policy (with weights, or fresh), `learn` from a rollout, `clone` a demonstration, `load` other weights,
`serve_outcomes` names the model that chooses cards in play, `outcomes` asks for a better one.
A part that fails is parked by name with its reason; the others go on, and the answer says so.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import Any

import msgspec
import psutil

from agent.core.bodies import unpack_rollout
from agent.core.clock import SystemClock
from agent.core.errors import RequestError, WeightsError
from agent.core.rollout import check_rollout
from agent.runtime.frames import Head, serve_calls
from agent.runtime.supervise import Failure, attempt


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

        from agent.learning.learner import PolicyLearner

        torch.set_num_threads(1)
        self._clock = SystemClock()
        self._policies: dict[str, PolicyLearner] = {}
        self._parked: dict[str, dict[str, str]] = {}
        self._losses: dict[str, dict[str, float]] = {}

    def handle(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Answer one call."""
        calls = {
            "open": self._open, "learn": self._learn, "clone": self._clone, "load": self._load,
            "outcomes": self._outcomes, "serve_outcomes": self._serve_outcomes,
        }  # fmt: skip
        return calls[head["do"]](head, payload)

    def _open(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        from safetensors.numpy import save

        from agent.control.untrained import default_sizes
        from agent.learning.learner import PILOT, Budget, PolicyLearner, PolicyOutline

        outline = msgspec.convert(head["outline"], PolicyOutline)
        if outline.kind == PILOT and outline.sizes is None:
            outline = msgspec.structs.replace(outline, sizes=default_sizes())
        learner = PolicyLearner(outline, msgspec.convert(head["budget"], Budget))
        self._policies[outline.name] = learner
        self._parked[outline.name], self._losses[outline.name] = {}, {}
        if payload:
            self._load({"policy": outline.name}, payload)
        return {"parts": [part.name for part in learner.parts]}, save(learner.weights())

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
            if part.name in parked:
                continue
            start_s = self._clock.now_s()
            report = attempt(partial(part.update, rollout))
            seconds[part.name] = round(self._clock.now_s() - start_s, 3)
            if isinstance(report, Failure):
                parked[part.name] = report.reason
                print(f"learner: {name}: {part.name} parked: {report.reason}", file=sys.stderr, flush=True)
            else:
                losses |= {key: value for key, value in report.items() if value == value and abs(value) != float("inf")}
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
        return {"metrics": learner.ppo.imitate(rollout)}, save(learner.weights())


if __name__ == "__main__":
    lower_priority()
    process = LearnerProcess()
    serve_calls(process.handle)
