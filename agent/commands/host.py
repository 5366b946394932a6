"""The command `host`."""

from __future__ import annotations

import datetime
import os
from typing import TYPE_CHECKING, Annotated, Final

from agent.commands.options import FLAT
from agent.concurrency.child import no_helpers_left
from agent.games.options import HostOptions

if TYPE_CHECKING:
    from agent.games.hosting import HostRecording

_DEFAULT: Final = HostOptions()


def host(options: Annotated[HostOptions, FLAT] = _DEFAULT) -> int:
    """Host a game as a BonkLink server that any client can play."""
    from agent.games.hosting import run_host

    with no_helpers_left():
        if options.record or options.record_to is not None:
            return run_host(options, _recording(options))
        return run_host(options)


def _recording(options: HostOptions) -> HostRecording:
    """Where the game is recorded: a folder that was named has no limit."""
    from agent.commands.recordings.folder import recordings_of
    from agent.core.settings import load_settings
    from agent.games.hosting import HostRecording
    from agent.journal.clip import CLIPS
    from agent.journal.keeping import Keep

    settings = load_settings(None, os.environ)
    recordings, folder, max_bytes = recordings_of(settings), options.record_to, None
    if folder is None:
        name = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
        folder, max_bytes = recordings / f"{name}-{os.getpid()}", settings.recording.max_mib << 20
    return HostRecording(folder, Keep(window_s=None, max_bytes=max_bytes), recordings / CLIPS)
