"""The command `loops`: where time was lost in loops, in recordings and in `.npz` episodes."""

from __future__ import annotations

import json
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from agent.commands.options import FLAT
from agent.commands.recordings.export import progress
from agent.concurrency.output import printable
from agent.core.errors import SettingsError
from agent.core.files import check_output, write_atomically

if TYPE_CHECKING:
    from agent.journal.mine import Miner


@dataclass(frozen=True)
class LoopsOptions:
    """What is searched."""

    recording: Path | None = None
    """A recording: its folder, or one of its files."""
    _: KW_ONLY
    npz_dir: Path | None = None
    """A folder of .npz episodes, as `record` writes them, instead."""
    pt_dir: Path | None = None
    """As --npz-dir. Files of torch (.pt) are refused: they can run code when they are read."""
    out: Path | None = None
    """Write what was found here, as JSON."""
    min_repeats: int = 3
    """How often a loop must come round."""
    recent_window: int | None = None
    """Within how many looks (five a second) a loop must come round so often. Default: within any."""
    min_seconds: float = 20.0
    """How long nothing new and no reward must have come."""


_DEFAULT: Final = LoopsOptions()


def loops(options: Annotated[LoopsOptions, FLAT] = _DEFAULT) -> int:
    """Find loops: the same states again and again, without anything gained; the costliest first."""
    from agent.journal.mine import Miner, mine_recording

    given = [path for path in (options.recording, options.npz_dir, options.pt_dir) if path is not None]
    if len(given) != 1:
        raise SettingsError("name one of a recording, --npz-dir and --pt-dir")
    if options.min_repeats < 2 or options.min_seconds <= 0 or (options.recent_window or 1) < 1:
        raise SettingsError("--min-repeats is at least 2, --min-seconds and --recent-window are above 0")
    if options.out is not None:
        check_output("--out", options.out)
    miner = Miner(min_repeats=options.min_repeats, min_s=options.min_seconds, window=options.recent_window)
    if options.recording is not None:
        with progress(options.recording, "loops") as on_bytes:
            mine_recording(options.recording, miner, on_bytes)
    else:
        _episodes(given[0], miner)
    report = miner.report()
    for cluster in report["clusters"]:
        where = cluster["menu"] or (f"at {cluster['cell']} × 2 m" if cluster["cell"] else "a picture")
        first = cluster["examples"][0]
        said = f"{cluster['lost_s']:.0f} s in {cluster['count']} × {cluster['nodes']} states, {where}, "
        print(printable(f"{said}level {cluster['level']}: {first['file']} at {first['index']}"))
    share = report["lost_s"] / report["watched_s"] if report["watched_s"] else 0.0
    print(f"{report['total_clusters']} loops, {report['lost_s']:.0f} s of {report['watched_s']:.0f} s ({share:.1%})")
    if options.out is not None:
        try:
            write_atomically(options.out, json.dumps(report, indent=2))
        except OSError as error:
            raise SettingsError(f"--out {options.out}: {error.strerror or error}; nothing was written") from error
    return 0


def _episodes(folder: Path, miner: Miner) -> None:
    from agent.journal.loops import Nodes
    from agent.journal.mine import mine_npz

    if not folder.is_dir():
        raise SettingsError(f"{folder}: is no folder")
    torch_files = sorted(folder.glob("*.pt"))
    if torch_files:
        raise SettingsError(f"{torch_files[0]}: files of torch can run code when they are read; keep episodes as .npz")
    files = sorted(folder.rglob("*.npz"))
    if not files:
        raise SettingsError(f"{folder}: has no .npz file; `python -m agent record` makes some")
    nodes = Nodes()
    for path in files:
        mine_npz(path, miner, nodes)
