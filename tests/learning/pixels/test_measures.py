"""Measures on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agent.learning.pixels.measures import (
    Psnr,
    codes_in_use,
    histogram,
    long_report,
    mutual_information,
    regime_report,
    sharpness,
    tokenizer_report,
)
from agent.models.pixels.sizes import DynamicsSizes, PixelWorldSizes, TokenizerSizes
from agent.models.pixels.tokenizer import Tokenizer
from agent.models.pixels.world import PixelWorld
from tests.learning.pixels.files import dots


def test_psnr_of_known_errors() -> None:
    psnr, true = Psnr(), torch.zeros(2, 3, 4, 4)
    psnr.add(true + 0.1, true)
    assert psnr.db == pytest.approx(20.0)
    where = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    where[:, :, 0, 0] = True
    some, made = Psnr(), true.clone()
    made[:, :, 0, 0] = 0.01
    some.add(made + 0.0, true, where)
    assert some.db == pytest.approx(40.0)


def test_perplexity_of_even_and_single_codes() -> None:
    assert codes_in_use(torch.arange(100), 1000) == (100, pytest.approx(100.0))
    assert codes_in_use(torch.full((50,), 7), 1000) == (1, pytest.approx(1.0))


def test_mutual_information_is_one_for_a_renaming_and_nought_for_chance() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 4000)
    assert mutual_information(1 - truth, truth) == pytest.approx(1.0)
    assert mutual_information(rng.integers(0, 4, 4000), truth) < 0.01
    assert mutual_information(np.zeros(10, np.int64), np.zeros(10, np.int64)) == 0.0


def test_a_blurred_picture_is_less_sharp_and_has_other_colours() -> None:
    frames = (torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    blurred = torch.nn.functional.avg_pool2d(frames, 3, 1, 1)
    assert sharpness(blurred) < 0.5 * sharpness(frames)
    assert histogram(frames).sum() == pytest.approx(3.0) and np.abs(histogram(frames) - histogram(blurred)).sum() > 1


def test_reports_have_their_controls() -> None:
    torch.manual_seed(0)
    episodes = dots(4)
    report = tokenizer_report(Tokenizer(TokenizerSizes(32, (16, 32))), episodes, pictures=64)
    assert report["gain_db"] == pytest.approx(report["psnr_db"] - report["copy_last_psnr_db"])
    assert report["copy_last_psnr_db"] > 10 and 1 <= report["codes_perplexity"] <= report["codes_used"] <= 1000
    sizes = PixelWorldSizes(TokenizerSizes(32, (16, 32)), DynamicsSizes(5, "cnn", 2, channels=(16, 32), blocks=1))
    world = PixelWorld(sizes)
    assert long_report(world, episodes, steps=60, worlds=2)["sharpness_ratio"] == pytest.approx(1.0, abs=0.3)  # copies
    found = regime_report(world, episodes)
    assert found["share_0"] + found["share_1"] == pytest.approx(1.0) and found["menu_share"] == 0.0
