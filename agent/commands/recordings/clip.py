"""The command `clip`: the last seconds of the session that plays now, or of a recording, kept as files of their own."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from agent.commands.options import FLAT
from agent.commands.recordings.folder import recordings_of
from agent.concurrency.output import printable
from agent.core.errors import RecordingError, SettingsError
from agent.core.settings import ConfigOption, Settings, load_settings

if TYPE_CHECKING:
    from agent.journal.export.rows import Row

PATIENCE_S: Final = 15.0


@dataclass(frozen=True)
class ClipOptions:
    """Of what, how long, and in which form."""

    recording: Path | None = None
    """A recording's folder, or with --mp4 a clip's. Default: the session that plays now."""
    _: KW_ONLY
    seconds: float = 30.0
    """So much of the end, from 1 to 600."""
    mp4: bool = False
    """Make a video as well; needs pip install 'metabonk-apex[export]'."""
    http_port: int | None = None
    """Port of the session's page. Default: METABONK_HTTP_PORT."""


_DEFAULT: Final = ClipOptions()
_CONFIG: Final = ConfigOption()


def clip(options: Annotated[ClipOptions, FLAT] = _DEFAULT, config: Annotated[ConfigOption, FLAT] = _CONFIG) -> int:
    """Save what just happened: a recording of its own that replays, and a video where one is asked for."""
    from agent.journal.clip import CLIPS, read_clip

    if not 1.0 <= options.seconds <= 600.0:
        raise SettingsError(f"--seconds {options.seconds:g}: between 1 and 600")
    settings = load_settings(config.config, os.environ)
    clips = recordings_of(settings) / CLIPS
    if options.mp4:
        from agent.journal.export.mp4 import av_module

        av_module()  # raises where it is missing, before anything is made
    if options.recording is None:
        folder = _ask_session(options, settings, clips)
    elif options.mp4 and read_clip(options.recording) is not None:
        folder = options.recording
    else:
        folder = _of_recording(options.recording, options.seconds, clips)
    if options.mp4:
        _write_video(folder)
    return 0


def _ask_session(options: ClipOptions, settings: Settings, clips: Path) -> Path:
    """Have the session that plays save a clip; raises SettingsError where none answers."""
    from agent.http.token import load_token

    port = settings.general.http_port if options.http_port is None else options.http_port
    token = load_token(settings.general.http_token.get_secret_value())
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/clip", json.dumps({"seconds": options.seconds}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}, method="POST",
    )  # fmt: skip
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=PATIENCE_S) as reply:
            told: dict[str, Any] = json.loads(reply.read())
    except urllib.error.HTTPError as error:
        raise RecordingError(f"the session at port {port} refuses: {_reason(error)}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = getattr(error, "reason", error)
        raise SettingsError(f"no session answers at port {port} ({why}); start `play`, or name a recording") from error
    folder = clips / str(told["clip"])
    _say(folder, bool(told["replays"]))
    return folder


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"])
    except (ValueError, KeyError, OSError):
        return f"status {error.code}"


def _of_recording(recording: Path, seconds: float, clips: Path) -> Path:
    """Make a clip of a recording that is over."""
    from agent.control.policy import capabilities_of
    from agent.journal.clip import clip_recording
    from agent.journal.recover import is_live
    from agent.session.replay import Replayer

    if not recording.is_dir():
        raise SettingsError(f"{recording}: name the folder of a recording")
    if is_live(recording):
        raise RecordingError(f"{recording}: is being recorded; `clip` without it asks the session")
    apart = capabilities_of(Replayer(recording).policy).apart
    target, n = clips / f"{recording.resolve().name}-end", 1
    while target.exists():
        n += 1
        target = target.with_name(f"{recording.resolve().name}-end-{n}")
    try:
        clips.mkdir(parents=True, exist_ok=True)
        made = clip_recording(recording, target, seconds, apart=apart)
    except OSError as error:
        raise RecordingError(f"{error.filename or target}: {error.strerror or error}") from error
    _say(target, made.is_whole)
    return target


def _say(folder: Path, replays: bool) -> None:
    print(printable(f"{folder}" if replays else f"{folder} (its beginning is gone: a replay cannot compare it all)"))


class _Since:
    """Passes the rows on that are of the seconds that were asked for."""

    def __init__(self, path: Path, from_s: float) -> None:
        from agent.journal.export.mp4 import Mp4

        self._sink, self._from_s = Mp4(path), from_s

    def add(self, row: Row) -> None:
        if row.time_s >= self._from_s:
            self._sink.add(row)

    def end(self, reason: str) -> None:
        self._sink.end(reason)

    def close(self) -> None:
        self._sink.close()


def _write_video(folder: Path) -> None:
    """Write each game's pictures of the clip's seconds as MP4, and say where."""
    from agent.journal.clip import read_clip
    from agent.journal.export.rows import Cut, write_rows
    from agent.journal.read import header_of_recording

    made, header = read_clip(folder), header_of_recording(folder)
    for game in range(len(header.games)):
        name = folder.resolve().name if len(header.games) == 1 else f"{folder.resolve().name}-game{game}"
        path = folder / f"{name}.mp4"
        every = Cut(hz=1e6, max_frames=1 << 60, split_on_not_playing=False)
        try:
            write_rows(folder, game, every, _Since(path, made.from_s if made is not None else 0.0))
        except OSError as error:
            raise RecordingError(f"{error.filename or path}: {error.strerror or error}") from error
        print(printable(str(path)))
