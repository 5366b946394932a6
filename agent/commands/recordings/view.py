"""The command `view`: a recording in a viewer, Foxglove's or Rerun's."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from agent.commands.options import FLAT
from agent.commands.recordings.export import progress, refused
from agent.concurrency.output import printable
from agent.core.errors import RecordingError, SettingsError

if TYPE_CHECKING:
    from agent.journal.export.rows import Sink
    from agent.journal.records import SessionHeader

FOXGLOVE: Final = "foxglove-studio"
"""What Foxglove's desktop app is called on PATH."""
_HOW: Final = {
    "rerun": "pip install rerun-sdk",
    "foxglove": f"install Foxglove's desktop app (https://foxglove.dev/download), with {FOXGLOVE} on PATH",
}


@dataclass(frozen=True)
class ViewOptions:
    """Which recording, in which viewer."""

    recording: Path
    """Its folder, or one of its files."""
    _: KW_ONLY
    viewer: Literal["auto", "rerun", "foxglove"] = "auto"
    """auto: Rerun where it is installed, else Foxglove."""
    hz: float = 10.0
    """Pictures per second, at most."""


def view(options: Annotated[ViewOptions, FLAT]) -> int:
    """Open a recording in Rerun or Foxglove: pictures, state, actions and rewards over time."""
    from agent.journal.read import header_of_recording

    if not 0.1 <= options.hz <= 1000:
        raise SettingsError(f"--hz {options.hz:g}: between 0.1 and 1000")
    header = header_of_recording(options.recording)
    wanted = ("rerun", "foxglove") if options.viewer == "auto" else (options.viewer,)
    has_rerun = "rerun" in wanted and importlib.util.find_spec("rerun") is not None
    foxglove = shutil.which(FOXGLOVE) if "foxglove" in wanted else None
    if has_rerun:
        _in_rerun(options, header, importlib.import_module("rerun"))
    elif foxglove is not None:
        _in_foxglove(options, header, foxglove)
    else:
        raise SettingsError(f"no viewer is installed: {', or '.join(_HOW[name] for name in wanted)}")
    return 0


def _in_rerun(options: ViewOptions, header: SessionHeader, rerun: Any) -> None:
    from agent.journal.export.viewers import RerunGame, rerun_layout

    rerun.init("metabonk", recording_id=header.session)
    try:
        rerun.spawn()
    except (OSError, RuntimeError) as error:
        raise SettingsError(f"Rerun's viewer does not start: {error}") from error
    try:
        rerun.send_blueprint(rerun_layout(rerun, [f"game{game}" for game in range(len(header.games))]))
    except (AttributeError, TypeError) as error:
        raise RecordingError(f"this version of rerun-sdk is not known: {error}; pip install -U rerun-sdk") from error
    rows = _give(options, header, lambda name: RerunGame(rerun, header, name))
    rerun.disconnect()  # waits until everything was sent
    print(printable(f"{rows} in Rerun"))


def _in_foxglove(options: ViewOptions, header: SessionHeader, program: str) -> None:
    from agent.journal.export.viewers import FoxgloveFile

    path = Path(tempfile.mkdtemp(prefix="metabonk-view-")) / f"{header.session or 'recording'}.mcap"
    try:
        file = FoxgloveFile(path, header)
        rows = _give(options, header, file.game)
        file.close()
        print(printable(f"{rows} in Foxglove, from {path}"), flush=True)
        code = subprocess.run([program, str(path)], stdin=subprocess.DEVNULL, check=False).returncode
    except OSError as error:
        raise SettingsError(f"{error.filename or path}: {error.strerror or error}") from error
    if code:
        raise SettingsError(f"{program} ended with code {code}; {path} can be opened by hand")


def _give(options: ViewOptions, header: SessionHeader, sink_of: Callable[[str], Sink]) -> str:
    """Give every game's rows to a sink of its own; raises RecordingError where there is no picture at all."""
    from agent.journal.export.rows import Counts, Cut, write_rows

    total, cut = Counts(), Cut(hz=options.hz, max_frames=1 << 60, split_on_not_playing=False)
    with progress(options.recording, "view") as on_bytes:
        for game in range(len(header.games)):
            found = write_rows(options.recording, game, cut, sink_of(f"game{game}"), on_bytes)
            total.rows, total.refused = total.rows + found.rows, total.refused + found.refused
    if not total.rows:
        raise RecordingError(f"{options.recording}: has no picture to show{refused(total)}")
    return f"{total.rows} pictures{refused(total)}"
