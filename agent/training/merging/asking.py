"""A language model that proposes weights to a search, where settings want one and it can be reached."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

from agent.core.clock import SystemClock
from agent.learning.merging.search import Propose, SearchState
from agent.planning.backend import Backend, LlmConfig
from agent.planning.weighting import Shown, Weigher


class Asker:
    """Asks a model on an event loop of its own; None where there is none, and `why` says why."""

    def __init__(self, runner: asyncio.Runner, weigher: Weigher | None, why: str) -> None:
        self._runner, self.weigher, self.why = runner, weigher, why

    @property
    def propose(self) -> Propose | None:
        """What a search asks, None without a model."""
        return self._propose if self.weigher is not None else None

    def _propose(self, state: SearchState) -> Sequence[float] | None:
        assert self.weigher is not None
        best, recent = (
            [Shown(trial.weights, trial.value) for trial in trials] for trials in (state.best, state.recent)
        )
        return self._runner.run(self.weigher.weights(
            state.names, mean=state.mean, sigma=state.sigma, covariance=state.covariance, best=best, recent=recent,
        ))  # fmt: skip

    def once(self, names: Sequence[str]) -> Sequence[float] | None:
        """Weights without a search."""
        return self._runner.run(self.weigher.weights(names)) if self.weigher is not None else None


@contextlib.contextmanager
def asking(
    config: LlmConfig, described: dict[str, str], *, wanted: bool, goal: str = "",
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Asker]:  # fmt: skip
    """A context with who asks; raises SettingsError where settings name a server that cannot be used.

    With `auto` and none reachable it is off, which is said once.
    """
    if not wanted:
        with asyncio.Runner() as runner:
            yield Asker(runner, None, "settings want none")
        return
    backend = Backend(config, SystemClock())
    with asyncio.Runner() as runner:
        try:
            runner.run(backend.begin())
            if not backend.is_named:
                runner.run(backend.find())
            if backend.model is None:
                say(f"no language model takes part: {backend.why}")
            weigher = Weigher(backend.model, described, goal) if backend.model is not None else None
            yield Asker(runner, weigher, backend.why)
        finally:
            backend.close()
