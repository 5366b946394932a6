"""What `/status`, `/metrics` and `/frame.jpg` answer: made at most four times a second, and shared by all readers.

However many ask, the loop pays for one snapshot each quarter of a second, in three turns, and for sending. A turn may
wait for a moment in which nobody else needs the loop. Owns no socket.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, Final, Protocol

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from agent.core.clock import Clock
from agent.core.types import ByteArray
from agent.link.imaging import encode_jpeg, shrink_to

SNAPSHOT_S: Final = 0.25
FRAME_S: Final = 0.1
SHOWN_PIXELS: Final = 1280 * 720
Losses = Callable[[], dict[str, dict[str, float]]]
Turn = Callable[[], Awaitable[None]]
"""Comes back when the loop may be held for a moment."""


async def next_turn() -> None:
    """The loop's next turn: answers of games that are ready go first."""
    await asyncio.sleep(0)


_FOLDERS: Final = re.compile(
    r"""(?:\A|(?<="))/[^":]*/"""  # a text that is a path, also one with spaces
    r"""|(?<![\w:/.~])(?:/[^/\s:"'(),\\]+)+/"""  # one within a text
    r"""|(?<!\w)[A-Za-z]:(?:[\\/][^\\/:"]+)+[\\/]"""  # one of Windows
)


@cache
def _home() -> str:
    return os.path.expanduser("~")


def without_folders(values: Any) -> Any:
    """Values as plain ones whose texts name each full path by its last name: where files lie is this machine's own.

    Texts are such that UTF-8 holds them.
    """
    return _shortened(msgspec.to_builtins(values))


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return _short(value)
    if isinstance(value, dict):
        return {_shortened(key): _shortened(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(each) for each in value]
    return value


def _short(text: str) -> str:
    if "/" not in text and "\\" not in text and text.isascii():
        return text  # most are, and a search costs as much as all else that is done with a snapshot
    if len(_home()) > 1:  # first, because its name may have spaces
        text = text.replace(_home() + os.sep, "/~/")
    return _FOLDERS.sub("", text.encode("utf-8", "backslashreplace").decode())


class StatusSource(Protocol):
    """Where the page's values come from; called on the loop."""

    def status(self) -> dict[str, Any]:
        """A snapshot of plain JSON values."""
        ...

    def newest_frame(self) -> ByteArray | None:
        """The newest picture, u8 [h, w, 3], or None."""
        ...


class Snapshots:
    """The newest snapshot as JSON and as Prometheus text, each written when it is first asked for."""

    def __init__(self, source: StatusSource, losses: Losses, clock: Clock, turn: Turn = next_turn) -> None:
        self._source, self._losses, self._clock, self._turn = source, losses, clock, turn
        self._built_s = float("-inf")
        self._values: asyncio.Task[dict[str, Any]] | None = None
        self._json: asyncio.Task[bytes] | None = None
        self._text: asyncio.Task[bytes] | None = None

    def _refresh(self) -> asyncio.Task[dict[str, Any]]:
        """The newest values, perhaps still being made."""
        now_s = self._clock.now_s()
        if self._values is None or now_s - self._built_s >= SNAPSHOT_S:
            self._values, self._built_s = asyncio.create_task(self._make(), name="snapshot"), now_s
            self._json, self._text = None, None
        return self._values

    async def _make(self) -> dict[str, Any]:
        await self._turn()
        values = self._source.status()
        await self._turn()
        plain: dict[str, Any] = without_folders(values)
        await self._turn()
        return plain

    async def plain(self) -> dict[str, Any]:
        """The status as plain values, not to be changed."""
        return await asyncio.shield(self._refresh())

    async def json(self) -> bytes:
        """The status as JSON; what is no number is null."""
        values = self._refresh()
        if self._json is None:
            self._json = asyncio.create_task(self._encode(values), name="snapshot as JSON")
        return await asyncio.shield(self._json)

    async def _encode(self, values: asyncio.Task[dict[str, Any]]) -> bytes:
        return msgspec.json.encode(await values)

    async def prometheus(self) -> bytes:
        """The status as Prometheus text, written in another thread: it grows with the policies that learn."""
        values = self._refresh()
        if self._text is None:
            self._text = asyncio.create_task(self._write(values), name="snapshot for Prometheus")
        return await asyncio.shield(self._text)

    async def _write(self, values: asyncio.Task[dict[str, Any]]) -> bytes:
        return await asyncio.to_thread(_prometheus, await values, self._losses())


def _prometheus(status: dict[str, Any], losses: dict[str, dict[str, float]]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(lambda: [*_of_status(status), _of_losses(losses)]))
    return generate_latest(registry)


class _Collector:
    """What the registry of Prometheus asks."""

    def __init__(self, collect: Callable[[], list[Metric]]) -> None:
        self.collect = collect


def _of_status(status: dict[str, Any]) -> list[Metric]:
    packets = CounterMetricFamily("metabonk_packets", "Packets by what became of them", labels=["game", "fate"])
    ends = CounterMetricFamily("metabonk_link_ends", "Connections by how they ended", labels=["game", "how"])
    for game in status["games"]:
        for fate in ("received", "acted", "superseded", "rejected", "expired"):
            packets.add_metric([game["name"], fate], game["link"][fate])
        for how in ("closed", "timed_out", "corrupt", "refused", "dropped"):
            ends.add_metric([game["name"], how], game["link"][how])
    latency = GaugeMetricFamily("metabonk_latency_ms", "Latency by stage", labels=["stage", "quantile"])
    for stage, values in status["latency"].items():
        for quantile, key in (("0.5", "p50_ms"), ("0.9", "p90_ms"), ("0.99", "p99_ms"), ("1", "max_ms")):
            latency.add_metric([stage, quantile], values[key])
    missed = CounterMetricFamily("metabonk_deadline_missed", "Deadline misses by cause", labels=["cause"])
    for cause, count in status["deadline_missed"].items():
        missed.add_metric([cause], count)
    resident = GaugeMetricFamily("metabonk_resident_bytes", "Resident memory", value=status["rss_mb"] * 2**20)
    rss = GaugeMetricFamily("metabonk_resident_megabytes", "Resident memory", value=status["rss_mb"])
    return [packets, ends, latency, missed, rss, resident, *_in_base_units(status)]


def _in_base_units(status: dict[str, Any]) -> list[Metric]:
    """What is counted in seconds, under few labels."""
    late = CounterMetricFamily("metabonk_ticks_missed", "Ticks whose action was late, by cause", labels=["cause"])
    for cause, count in status["deadline_missed"].items():
        late.add_metric([cause], count)
    walk = SummaryMetricFamily("metabonk_frame_to_action_seconds", "From what was seen to the action that answers it")
    walked = status["latency"].get("frame_to_action")
    if walked:
        walk.add_metric([], walked["count"], walked["count"] * walked["mean_ms"] * 1e-3)
    owners = CounterMetricFamily("metabonk_owner_seconds", "How long each owner acted, all games", labels=["owner"])
    for owner, seconds in status.get("owners", {}).get("seconds", {}).items():
        owners.add_metric([owner], seconds)
    asked = SummaryMetricFamily(
        "metabonk_planner_request_seconds", "Questions to the language model", labels=["backend", "outcome"]
    )
    model = status.get("planner", {}).get("llm", {})
    for outcome, of in model.get("requests", {}).items():
        asked.add_metric([model["backend"], outcome], of["count"], of["seconds"])
    episodes = CounterMetricFamily(
        "metabonk_episodes", "Finished episodes", value=status.get("episodes", {}).get("count", 0)
    )
    return [late, walk, owners, asked, episodes]


def _of_losses(losses: dict[str, dict[str, float]]) -> Metric:
    """The newest losses of every policy."""
    gauge = GaugeMetricFamily("metabonk_loss", "Newest losses by policy", labels=["policy", "loss"])
    for policy, values in losses.items():
        for name, value in values.items():
            gauge.add_metric([policy, name], value)
    return gauge


class SharedFrame:
    """The newest picture as a JPEG: one is made at a time, at most every `FRAME_S`, in another thread."""

    def __init__(self, source: StatusSource, clock: Clock) -> None:
        self._source, self._clock = source, clock
        self._pixels: ByteArray | None = None
        self._begun_s = float("-inf")
        self._making: asyncio.Future[bytes] | None = None

    async def jpeg(self) -> bytes | None:
        """The JPEG, None where there is no picture; raises ImageError. Pictures of over `SHOWN_PIXELS` are shrunk."""
        pixels, now_s = self._source.newest_frame(), self._clock.now_s()
        if pixels is None:
            return None
        making = self._making
        is_due = making is None or (making.done() and now_s - self._begun_s >= FRAME_S and pixels is not self._pixels)
        if is_due:
            self._pixels, self._begun_s = pixels, now_s
            making = self._making = asyncio.get_running_loop().run_in_executor(
                None, lambda: encode_jpeg(shrink_to(pixels, SHOWN_PIXELS))
            )
        assert making is not None
        return await asyncio.shield(making)


class Shown(msgspec.Struct, frozen=True, eq=False):
    """What every reader shares."""

    snapshots: Snapshots
    frame: SharedFrame
