"""Opens a folder of recordings as episodes: `.npz` files, videos and journals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from agent.core.errors import RecordingError
from agent.journal.read import segments_of
from agent.learning.pixels.episodes import Episode, Episodes
from agent.learning.pixels.layout import ActionLayout, is_one_choice, one_choice
from agent.learning.pixels.prepared import Cache, Preparing, default_cache
from agent.learning.pixels.sources import VIDEOS, read_journal, read_npz, read_video

SIZE_PX: Final = 64
HZ: Final = 10.0
_Reader = Callable[[Preparing, float], None]
_Found = list[tuple[Episode, ActionLayout | None]]


def open_episodes(
    folder: Path,
    *,
    size_px: int = SIZE_PX,
    hz: float = HZ,
    cache: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Episodes:
    """All episodes beneath a folder (or of one file), with pictures of size_px x size_px; raises RecordingError.

    hz: pictures a second that are kept of videos and journals; `.npz` files keep all. cache: where resized pictures
    lie; default: the user's cache. A file that cannot be used is left out: `say` hears its name and the reason, and
    `refused` of the result has both. Where files differ in what their actions are, the layout of most pictures counts
    and the others are refused.
    """
    if not folder.exists():
        raise RecordingError(f"{folder}: there is no such folder or file")
    store = Cache(cache or default_cache(), size_px, hz)
    found: _Found = []
    refused: list[str] = []
    for source, files, reader in _sources(folder):
        try:
            found += _prepared(store, source, files, reader, hz)
        except RecordingError as error:
            refused.append(str(error))
    found = _joined(found)
    layout = _common(found)
    kept: list[Episode] = []
    for episode, own in found:
        if own in (None, layout):
            kept.append(episode)
        else:
            refused.append(f"{episode.source}: its actions are {_told(own)}, those of most files {_told(layout)}")
    for line in refused:
        say(line)
    if not kept:
        reason = f"{len(refused)} files cannot be used, the first: {refused[0]}" if refused else "none is there"
        raise RecordingError(f"{folder}: no episodes; .npz, {', '.join(VIDEOS)} and recordings are read: {reason}")
    return Episodes(items=tuple(kept), layout=layout, size_px=size_px, refused=tuple(refused))


def _sources(folder: Path) -> Iterator[tuple[Path, list[Path], _Reader]]:
    """Every source beneath a folder, in the order of names: its path, its files and how it is read."""
    paths = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    journals: set[Path] = set()
    for path in paths:
        ending = path.suffix.lower()
        if ending == ".npz":
            yield path, [path], partial(read_npz, path)
        elif ending in VIDEOS and not path.stem.endswith(".part"):
            yield path, [path], partial(read_video, path)
        elif path.name.startswith("segment-") and ".mcap" in path.suffixes:
            source = path if folder.is_file() else path.parent
            if source not in journals:
                journals.add(source)
                yield source, segments_of(source), partial(read_journal, source)


def _prepared(store: Cache, source: Path, files: list[Path], reader: _Reader, hz: float) -> _Found:
    try:
        place = store.place(source, files)
        if not store.has(place):
            preparing = store.begin(place)
            try:
                reader(preparing, hz)
                store.end(preparing, place)
            finally:
                store.drop(preparing)
        found = store.read(place, str(source))
    except OSError as error:
        raise RecordingError(f"{source}: {error.strerror or error}") from error
    if not found:
        raise RecordingError(f"{source}: has no episode of at least 2 pictures")
    return found


def _joined(found: _Found) -> _Found:
    """Where files only number their actions, one file need not have the highest: the largest count is everybody's."""
    counts = [layout.controls[0].choices for _, layout in found if layout is not None and is_one_choice(layout)]
    widest = one_choice(max(counts, default=2))
    return [(e, widest if layout is not None and is_one_choice(layout) else layout) for e, layout in found]


def _common(found: _Found) -> ActionLayout | None:
    """The layout that most pictures have; None where none has actions."""
    count: Counter[ActionLayout] = Counter()
    for episode, layout in found:
        if layout is not None:
            count[layout] += len(episode)
    return max(count, key=count.__getitem__) if count else None


def _told(layout: ActionLayout | None) -> str:
    return "none" if layout is None else ", ".join(f"{c.name} ({c.kind})" for c in layout.controls[:4])
