"""From files to a world: trained, interrupted, resumed, measured; a tokenizer is needed where it is used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from agent.core.clock import SystemClock
from agent.core.errors import RecordingError, SettingsError
from agent.models.sealed import read_manifest
from agent.training.pixels.options import ValidateOptions, WorldOptions
from agent.training.pixels.train import train_world
from agent.training.pixels.validate import in_words, validate_world
from tests.learning.pixels.files import dots, write_npz

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings") / "dots"
    for episode in dots(6, 24, size_px=64).items:
        write_npz(
            folder / f"{episode.name}.npz", 24, observations=episode.frames, rewards=episode.rewards,
            dones=episode.dones, actions=episode.actions[:, 0].astype(np.int64), menus=episode.menus,  # type: ignore[index]
        )  # fmt: skip
    return folder


def asked(recordings: Path, out: Path, **changed: Any) -> WorldOptions:
    options = WorldOptions(
        recordings=recordings, out=out, cache=recordings.parent / "cache", steps=2, minutes=5, tensorboard=False
    )
    return replace(options, **changed)


def test_a_world_is_trained_resumed_and_measured(recordings: Path, tmp_path: Path) -> None:
    options = asked(recordings, tmp_path / "out", phase="dynamics")
    train_world(options, SystemClock(), QUIET)
    with pytest.raises(SettingsError, match="add --resume"):
        train_world(options, SystemClock(), QUIET)
    train_world(replace(options, steps=3, resume=True), SystemClock(), QUIET)
    world = tmp_path / "out" / "world.safetensors"
    assert read_manifest(world).notes["steps"] == 3 and read_manifest(world).kind == "pixel-world"
    assert "dots" in read_manifest(world).created_by and str(tmp_path) not in read_manifest(world).created_by
    with pytest.raises(SettingsError, match="--resume"):
        train_world(replace(options, seed=1, resume=True), SystemClock(), QUIET)
    found = validate_world(
        ValidateOptions(world=world, recordings=recordings, windows=16, long_steps=3, cache=options.cache),
        SystemClock(),
    )
    assert found["measured_on"].startswith("held out") and found["episodes"] == 1
    assert found["ahead"]["copy_last_changed_psnr_8_db"] < 10 < found["ahead"]["copy_last_psnr_8_db"]
    assert len(in_words(found)) == 7 and json.dumps(found)


def test_a_transformer_needs_its_tokenizer(recordings: Path, tmp_path: Path) -> None:
    options = asked(recordings, tmp_path / "out", arm="maskgit", phase="transformer", seq_len=3, steps=1, regimes=2)
    with pytest.raises(SettingsError, match="--phase tokenizer or all"):
        train_world(options, SystemClock(), QUIET)
    report = train_world(replace(options, phase="all"), SystemClock(), QUIET)
    assert report.keys() == {"tokenizer", "dynamics"}
    manifest = read_manifest(tmp_path / "out" / "world.safetensors")
    assert manifest.sizes["dynamics"]["window"] == 3 and "--seq-len 3" in manifest.created_by


def test_videos_alone_make_no_world(tmp_path: Path) -> None:
    for i in range(3):
        write_npz(tmp_path / "in" / f"{i}.npz", actions=None)
    with pytest.raises(RecordingError, match="labels first"):
        train_world(asked(tmp_path / "in", tmp_path / "out", phase="dynamics"), SystemClock(), QUIET)
