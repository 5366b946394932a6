"""Recordings for viewers: pictures, state and actions as Foxglove reads them from a file, and as Rerun takes them.

Our own files hold the wire's bytes, which no viewer can decode.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mcap.writer import Writer

from agent.core.errors import RecordingError
from agent.journal.export.rows import ACTION_FIELDS, Row
from agent.journal.records import SessionHeader
from agent.link.imaging import encode_jpeg

_SCHEMAS: Final = {
    "foxglove.CompressedImage": {
        "type": "object",
        "properties": {
            "timestamp": {"type": "object", "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}}},
            "frame_id": {"type": "string"},
            "data": {"type": "string", "contentEncoding": "base64"},
            "format": {"type": "string"},
        },
    },
    "metabonk.Row": {"type": "object"},
}


def numbers_of(row: Row) -> dict[str, float]:
    """What a viewer plots of a row: state, action and reward."""
    state, run = row.state, row.state.run
    x, y, z = state.position
    found = {"health": state.health, "enemies": len(state.enemies), "x": x, "y": y, "z": z, "reward": row.reward}
    if run is not None:
        found |= {"level": run.level, "kills": run.kills, "gold": run.gold}
    return {name: float(value) for name, value in (*found.items(), *zip(ACTION_FIELDS, row.action, strict=True))}


class FoxgloveFile:
    """An MCAP file of JSON messages in Foxglove's schemas; `close` makes it whole. Raises OSError."""

    def __init__(self, path: Path, header: SessionHeader) -> None:
        self._file = path.open("wb")
        self._header = header
        # Some of mcap's methods have no types.
        self._writer: Any = Writer(self._file)
        self._writer.start(library=header.program)
        self._schemas = {
            name: self._writer.register_schema(name, "jsonschema", json.dumps(schema).encode())
            for name, schema in _SCHEMAS.items()
        }

    def game(self, name: str) -> FoxgloveGame:
        """What takes the rows of one game."""
        ids = (
            self._writer.register_channel(f"/{name}/{topic}", "json", self._schemas[schema])
            for topic, schema in zip(("picture", "row"), _SCHEMAS, strict=True)
        )
        return FoxgloveGame(self._writer, self._header, *ids)

    def close(self) -> None:
        """End the file."""
        self._writer.finish()
        self._file.close()


class FoxgloveGame:
    """One game's rows in a `FoxgloveFile`."""

    def __init__(self, writer: Any, header: SessionHeader, pictures: int, rows: int) -> None:
        self._writer, self._header, self._pictures, self._rows = writer, header, pictures, rows

    def add(self, row: Row) -> None:
        """Write a picture and its numbers, at the wall clock's time."""
        time_ns = self._header.began_utc_ns + round((row.time_s - self._header.began_s) * 1e9)
        at = {"sec": time_ns // 10**9, "nsec": time_ns % 10**9}
        data = base64.b64encode(encode_jpeg(row.pixels)).decode()
        self._write(self._pictures, time_ns, {"timestamp": at, "frame_id": "game", "data": data, "format": "jpeg"})
        self._write(self._rows, time_ns, {"menu": row.state.current_menu, "packet": row.packet, **numbers_of(row)})

    def _write(self, channel: int, time_ns: int, message: dict[str, Any]) -> None:
        self._writer.add_message(channel, time_ns, json.dumps(message).encode(), time_ns)

    def end(self, reason: str) -> None:
        """An episode is no message of its own."""

    def close(self) -> None:
        """The file is ended for all games together."""


_PLOTS: Final = {
    "player": ("health", "enemies"),
    "progress": ("level", "kills", "gold", "reward"),
    "where": ("x", "y", "z"),
    "movement": ("move_x", "move_y", "look_x", "look_y"),
    "buttons": ("fire", "ability", "interact", "ui_click"),
}
"""What is drawn together."""


def rerun_layout(rerun: Any, names: Sequence[str]) -> Any:
    """Rerun's blueprint: the picture of a game beside its numbers, a tab for each game."""
    views = rerun.blueprint
    tabs = [
        views.Horizontal(
            views.Spatial2DView(origin=f"{name}/picture", name=name),
            views.Vertical(
                *(
                    views.TimeSeriesView(origin=name, contents=[f"$origin/{value}" for value in values], name=title)
                    for title, values in _PLOTS.items()
                )
            ),
            column_shares=[3, 2],
            name=name,
        )
        for name in names
    ]
    return views.Blueprint(
        views.Tabs(*tabs), views.BlueprintPanel(state="hidden"), views.SelectionPanel(state="hidden")
    )


class RerunGame:
    """Gives one game's rows to Rerun, module `rerun`, whose recording was begun. Raises RecordingError."""

    def __init__(self, rerun: Any, header: SessionHeader, name: str) -> None:
        self._rerun, self._header, self._name = rerun, header, name

    def add(self, row: Row) -> None:
        """Log a picture and its numbers, at seconds since the session began."""
        rerun = self._rerun
        try:
            rerun.set_time("session", duration=row.time_s - self._header.began_s)
            contents = encode_jpeg(row.pixels)
            rerun.log(f"{self._name}/picture", rerun.EncodedImage(contents=contents, media_type="image/jpeg"))
            for name, value in numbers_of(row).items():
                rerun.log(f"{self._name}/{name}", rerun.Scalars([value]))
        except (AttributeError, TypeError) as error:
            raise RecordingError(
                f"this version of rerun-sdk is not known: {error}; pip install -U rerun-sdk"
            ) from error

    def end(self, reason: str) -> None:
        """Log why the episode ended."""
        self._rerun.log(f"{self._name}/episode_end", self._rerun.TextLog(reason))

    def close(self) -> None:
        """Everything was given; the viewer has its own copy."""
