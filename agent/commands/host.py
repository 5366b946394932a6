"""The command `host`."""

from __future__ import annotations

from typing import Annotated, Final

from agent.commands.options import FLAT
from agent.concurrency.child import no_helpers_left
from agent.games.options import HostOptions

_DEFAULT: Final = HostOptions()


def host(options: Annotated[HostOptions, FLAT] = _DEFAULT) -> int:
    """Host a game as a BonkLink server that any client can play."""
    from agent.games.hosting import run_host

    with no_helpers_left():
        return run_host(options)
