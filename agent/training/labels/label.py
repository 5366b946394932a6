"""Labels for recordings: each becomes an `.npz` episode with the actions that a model tells from its pictures.

The other arrays of an `.npz` episode stay as they are; videos and journals are written with the pictures as the model
sees them. New arrays: `confidence` f32 and `unknown` bool, both [T, controls] (`known` is its opposite, which readers
of episodes take), and `recorded_actions` where there were some. A file is written whole or not at all, and one that the
same model labelled with the same options before is left: a run that was cut off goes on.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import numpy as np
from rich.console import Console

from agent.core.clock import Clock
from agent.core.errors import SettingsError, WeightsError
from agent.core.files import sync_file, temporary_beside
from agent.learning.inverse_dynamics.judging import shift_of
from agent.learning.inverse_dynamics.labels import Labeller
from agent.learning.pixels.episodes import Episode
from agent.learning.pixels.load import open_episodes
from agent.models.sealed import read_manifest
from agent.training.labels.idm import load_idm
from agent.training.labels.options import LabelOptions, SourceOptions
from agent.training.labels.runs import torch_device
from agent.training.progress import TrainingProgress

BLOCK_BYTES: Final = 1 << 20


def label(options: LabelOptions, clock: Clock, console: Console) -> dict[str, Any]:
    """Label all episodes of a folder; what was done, in figures."""
    options.check()
    if not options.model.is_file():
        raise WeightsError(
            f"--model {options.model}: there is no such file; make one with `python -m agent label train`"
        )
    labeller = load_idm(options.model)
    labeller.network.to(torch_device(options.device))
    manifest = read_manifest(options.model)
    told = {"model": manifest.sha256[:16], "keep": options.keep, "lag_steps": manifest.notes.get("lag_steps")}
    total: dict[str, Any] = {"pictures": 0, "kept": 0, "labels": 0, "seconds": 0.0, "played_s": 0.0, "shifts": {}}

    def made(episode: Episode) -> dict[str, Any]:
        start_s = clock.now_s()
        labels = labeller.label(episode.frames, keep=options.keep)
        total["seconds"] += clock.now_s() - start_s
        total["played_s"] += len(episode) * episode.dt_s
        total["pictures"] += len(episode)
        total["kept"] += int(labels.known[:-1].sum())
        total["labels"] += int(labels.known[:-1].size)
        arrays = {
            "actions": labels.actions, "confidence": labels.confidence, "unknown": ~labels.known, "known": labels.known,
        }  # fmt: skip
        said = dict(told)
        if episode.actions is not None and episode.actions.shape == labels.actions.shape:
            arrays["recorded_actions"] = episode.actions
            said["shift_steps"] = shift_of(labels.probabilities, labeller.targets, episode.actions)
            total["shifts"][episode.name] = said["shift_steps"]
        return {"arrays": arrays, "labelled": said, **_declared(labeller)}

    files, left = rewrite(
        options, options.out_npz_dir, labeller.network.sizes.size_px, "labelled", told, made, clock, console
    )
    total |= {"files": files, "left": left}
    return total


def _declared(labeller: Labeller) -> dict[str, Any]:
    layout = labeller.targets.layout
    names = list(layout.names)
    return {"action_space": msgspec.to_builtins(layout.controls), "action_format": names, "action_dim": len(names)}


def rewrite(
    options: SourceOptions, out: Path, size_px: int, mark: str, told: dict[str, Any],
    made: Callable[[Episode], dict[str, Any]], clock: Clock, console: Console,
) -> tuple[int, int]:  # fmt: skip
    """Write every episode anew with what `made` gives of it; how many were written, and how many were there.

    made: `arrays` that are added or replaced; its other entries go into meta. An episode whose file says under `mark`
    what `told` says is left.
    """
    if out.absolute() == options.npz_dir.absolute() or out.absolute().is_relative_to(options.npz_dir.absolute()):
        raise SettingsError(f"--out-npz-dir {out}: lies in --npz-dir; name a folder beside it")

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    episodes = open_episodes(options.npz_dir, size_px=size_px, hz=options.hz, say=say)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"--out-npz-dir {out}: {error.strerror or error}") from error
    written = left = done = 0
    with TrainingProgress(console, clock, mark, 0, episodes.pictures) as progress:
        for path, episode in _paths(options.npz_dir, out, episodes.items):
            found = _meta_of(path).get(mark)
            if isinstance(found, dict) and found.items() >= told.items():
                left += 1
            else:
                _write(path, episode, made(episode))
                written += 1
            done += len(episode)
            progress.update(done, f"{mark} {path.name}")
    return written, left


def _paths(folder: Path, out: Path, episodes: tuple[Episode, ...]) -> Iterator[tuple[Path, Episode]]:
    """Where each episode goes; names that several sources share are numbered."""
    taken: set[Path] = set()
    for episode in episodes:
        source = Path(episode.source)
        below = source.parent.relative_to(folder) if source.is_relative_to(folder) else Path()
        path, number = out / below / f"{episode.name}.npz", 1
        while path in taken:
            number += 1
            path = path.with_name(f"{episode.name}-{number}.npz")
        taken.add(path)
        yield path, episode


def _meta_of(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            meta = msgspec.json.decode(arrays["meta"].item()) if "meta" in arrays.files else {}
    except (OSError, ValueError, zipfile.BadZipFile):
        return {}
    return meta if isinstance(meta, dict) else {}


def _write(path: Path, episode: Episode, made: dict[str, Any]) -> None:
    """One episode: the arrays of its source that are not replaced, and those that were made."""
    arrays = dict(made.pop("arrays"))
    source = Path(episode.source)
    is_npz = source.suffix.lower() == ".npz"
    meta = {**(_meta_of(source) if is_npz else {"hz": 1.0 / episode.dt_s, "policy": episode.player}), **made}
    meta["source"] = source.name
    arrays["meta"] = np.array(msgspec.json.encode(meta).decode())
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = temporary_beside(path)
    try:
        with beside.open("xb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                if is_npz:
                    _copy(source, archive, set(arrays))
                else:
                    arrays["observations"] = episode.frames
                    for name in ("rewards", "menus"):
                        own = getattr(episode, name)
                        if own is not None:
                            arrays.setdefault(name, own)
                for name, array in arrays.items():
                    _put(archive, name, np.asarray(array))
            sync_file(file)
        beside.replace(path)
    except OSError as error:
        raise SettingsError(f"--out-npz-dir {path}: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)


def _copy(source: Path, archive: zipfile.ZipFile, replaced: set[str]) -> None:
    """The arrays of a file as they are, a block at a time."""
    with zipfile.ZipFile(source) as before:
        for name in before.namelist():
            if name.removesuffix(".npy") in replaced:
                continue
            with before.open(name) as taken, archive.open(name, "w", force_zip64=True) as given:
                while block := taken.read(BLOCK_BYTES):
                    given.write(block)


def _put(archive: zipfile.ZipFile, name: str, array: Any) -> None:
    body: IO[bytes] = io.BytesIO()
    np.lib.format.write_array(body, array, allow_pickle=False)
    archive.writestr(f"{name}.npy", body.getvalue())  # type: ignore[attr-defined]
