"""The command `learner`."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from rich.console import Console

from agent.commands.options import FLAT
from agent.commands.weights import weights_folder
from agent.core.clock import SystemClock
from agent.core.errors import AgentError, first_error
from agent.core.settings import ConfigOption, load_settings, plain_host

if TYPE_CHECKING:
    from agent.http.learner.service import ServiceOptions

PORT: Final = 8061


@dataclass(frozen=True, kw_only=True)
class LearnerOptions(ConfigOption):
    """Who learns, and where workers find it."""

    policy: str | None = None
    """pilot, or another name that contains pilot; workers play with the same one. Default: what the weights are, else
    pilot."""
    weights: Path | None = None
    """A sealed .safetensors file, as `train` writes it, of a pilot or of a policy of a Gymnasium environment."""

    host: str = "127.0.0.1"
    """Address to listen at. One that other machines reach needs METABONK_HTTP_TOKEN."""
    port: int = PORT
    """Port to listen at; 0 picks one."""


_DEFAULT: Final = LearnerOptions()


def learner(options: Annotated[LearnerOptions, FLAT] = _DEFAULT) -> int:
    """Learn from workers: `play --learner http://HOST:PORT`, on this machine or others. Nothing is played here."""
    from agent.commands.play import check_learner_device
    from agent.commands.players import name_of
    from agent.control.policies import build_policy
    from agent.control.reward import load_weights
    from agent.core.errors import SettingsError
    from agent.http.learner.service import ServiceOptions, check_host
    from agent.http.token import load_token
    from agent.learning.configs import learner_budget

    settings = load_settings(options.config, os.environ)
    given = settings.general.http_token.get_secret_value().strip()
    try:
        host = plain_host(options.host)
    except ValueError as error:
        raise SettingsError(f"--host {options.host}: {error}") from error
    check_host(host, given)
    check_learner_device(settings)
    told = ServiceOptions(
        host=host, port=options.port, token=load_token(given), weights_dir=weights_folder(settings),
        budget=learner_budget(settings), keep_given=options.weights is not None,
        paid_by=load_weights(settings.general.reward_table).label,
    )  # fmt: skip
    policy = build_policy(name_of(options.policy, options.weights, "pilot"), weights=options.weights)
    return _serve(told, policy, Console(stderr=True))


def _serve(told: ServiceOptions, policy: object, console: Console) -> int:
    """Serve until a signal; its exit code."""
    from agent.http.learner.service import LearnerService
    from agent.session.loop import new_event_loop

    def ready(port: int) -> None:
        shown = f"[{told.host}]" if ":" in told.host else told.host
        text = f"Learning at http://{shown}:{port}; workers: python -m agent play --learner http://{shown}:{port}"
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    async def main() -> None:
        await LearnerService(told, policy, SystemClock()).run(ready)  # type: ignore[arg-type]

    try:
        with asyncio.Runner(loop_factory=lambda: new_event_loop(())) as runner:
            runner.run(main())
    except* AgentError as group:
        raise first_error(group) from group
    return 0
