"""How good a tokenizer and a world are, on held-out episodes and beside what costs nothing: repeating the last picture.

PSNR in dB over all pixels of all pictures together, or over those that changed since the last picture that was seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from agent.core.types import FloatArray
from agent.learning.pixels.episodes import Episodes, Windows
from agent.learning.pixels.generate import Generator
from agent.learning.pixels.losses import changed_pixels, encoded, masked_loss, one_pass_loss
from agent.models.pixels.one_pass import OnePass
from agent.models.pixels.tokenizer import Tokenizer
from agent.models.pixels.world import PixelWorld, to_unit

AHEAD: Final = (1, 4, 8)
"""Pictures after the last true one that are measured."""
_BINS: Final = 16


class Psnr:
    """Squared errors that are gathered."""

    def __init__(self) -> None:
        self._error = self._count = 0.0

    def add(self, made: Tensor, true: Tensor, where: Tensor | None = None) -> None:
        """Pictures f32 [.., 3, S, S]; where: [.., 1, S, S], the pixels that count."""
        error = ((made - true) ** 2).mean(-3, keepdim=True)
        weight = torch.ones_like(error) if where is None else where.to(error.dtype)
        self._error += float((error * weight).sum())
        self._count += float(weight.sum())

    @property
    def db(self) -> float:
        """Peak signal to noise; of nothing 0."""
        if not self._count:
            return 0.0
        return -10.0 * float(np.log10(max(1e-10, self._error / self._count)))


def codes_in_use(indices: Tensor, codes: int) -> tuple[int, float]:
    """How many codes occur, and their perplexity: as many that are used alike would be as hard to guess."""
    share = torch.bincount(indices.flatten(), minlength=codes).double()
    share = share[share > 0] / share.sum()
    return len(share), float((-(share * share.log()).sum()).exp())


@torch.no_grad()
def tokenizer_report(
    tokenizer: Tokenizer, episodes: Episodes, *, pictures: int = 1024, seed: int = 0
) -> dict[str, float]:
    """PSNR of pictures that went through codes, beside the picture before, and the codes in use."""
    rng, made, copied, changed, still = np.random.default_rng(seed), Psnr(), Psnr(), Psnr(), Psnr()
    indices = []
    for _ in range(max(1, min(pictures, episodes.pictures) // 64)):
        pair = to_unit(torch.from_numpy(episodes.windows(rng, 64, 2).frames))
        codes = tokenizer.encode(pair[:, 1])
        decoded = tokenizer.decode(codes).clamp(0, 1)
        where = changed_pixels(pair[:, 0], pair[:, 1])
        made.add(decoded, pair[:, 1])
        copied.add(pair[:, 0], pair[:, 1])
        changed.add(decoded, pair[:, 1], where)
        still.add(pair[:, 0], pair[:, 1], where)
        indices.append(tokenizer.quantizer.indices(codes))
    used, perplexity = codes_in_use(torch.stack(indices), tokenizer.quantizer.codes)
    return {
        "psnr_db": made.db, "copy_last_psnr_db": copied.db, "gain_db": made.db - copied.db,
        "changed_psnr_db": changed.db, "copy_last_changed_psnr_db": still.db,
        "codes_used": float(used), "codes_perplexity": perplexity,
    }  # fmt: skip


def _shuffled(actions: Tensor, rng: np.random.Generator) -> Tensor:
    """The same actions, each of another stretch and another time."""
    flat = actions.flatten(0, 1)
    return flat[torch.from_numpy(rng.permutation(len(flat)))].reshape(actions.shape)


@torch.no_grad()
def step_loss(world: PixelWorld, frames: Tensor, actions: Tensor, *, regime: bool = True) -> Tensor:
    """The loss of one step ahead of each window, its last picture from those before; regime: told, where there is one.

    The regime is that which the prior expects, not one that has seen the picture.
    """
    told = None
    if world.regime is not None:
        logits = world.regime.logits(frames)
        expected = world.regime.next(F.one_hot(logits.argmax(-1), world.regime.count).float().flatten(0, 1))
        told = expected.reshape(logits.shape).roll(1, 1) if regime else torch.zeros_like(logits)
    dynamics = world.dynamics
    if isinstance(dynamics, OnePass):
        context = dynamics.sizes.context
        ends = slice(-context - 1, None)
        return one_pass_loss(dynamics, frames[:, ends], actions[:, ends], None if told is None else told[:, ends])
    assert world.tokenizer is not None
    codes = encoded(world.tokenizer, frames)
    return masked_loss(dynamics, world.tokenizer, codes, actions, told, ratio=(1.0, 1.0))


def _batches(episodes: Episodes, length: int, count: int, seed: int, size: int = 16) -> list[Windows]:
    rng = np.random.default_rng(seed)
    count = max(1, min(count, episodes.pictures // 2) // size)  # more would be the same pictures again
    return [episodes.windows(rng, size, length) for _ in range(count)]


def action_report(world: PixelWorld, episodes: Episodes, *, windows: int = 128, seed: int = 0) -> dict[str, float]:
    """The loss one step ahead under true actions, shuffled ones, and none."""
    length = world.sizes.dynamics.window if world.sizes.dynamics.arm == "maskgit" else world.length + 1
    rng = np.random.default_rng(seed)
    totals = {"true": 0.0, "shuffled": 0.0, "none": 0.0}
    batches = _batches(episodes, length, windows, seed)
    for batch in batches:
        frames, actions = to_unit(torch.from_numpy(batch.frames)), torch.from_numpy(batch.actions)
        for name, given in (
            ("true", actions), ("shuffled", _shuffled(actions, rng)), ("none", torch.zeros_like(actions))
        ):  # fmt: skip
            torch.manual_seed(seed)
            totals[name] += float(step_loss(world, frames, given)) / len(batches)
    return {
        "loss": totals["true"], "loss_ratio_shuffled": totals["shuffled"] / max(1e-12, totals["true"]),
        "loss_ratio_no_actions": totals["none"] / max(1e-12, totals["true"]),
    }  # fmt: skip


def roll_out_report(
    world: PixelWorld, episodes: Episodes, *, windows: int = 128, seed: int = 0,
    say: Callable[[int], None] = lambda done: None,
) -> dict[str, float]:  # fmt: skip
    """PSNR of the world's own pictures 1, 4 and 8 steps on, on all and on changed pixels, beside copy-last.

    delta_psnr_N_db: how much is lost under the actions of others (ΔPSNR of Genie, Bruce et al. 2024).
    """
    length, longest = world.length, max(AHEAD)
    kinds = ("made", "shuffled", "copy", "made_changed", "copy_changed")
    found = {(kind, t): Psnr() for kind in kinds for t in AHEAD}
    rng = np.random.default_rng(seed)
    for done, batch in enumerate(_batches(episodes, length + longest, windows, seed)):
        frames, actions = torch.from_numpy(batch.frames), torch.from_numpy(batch.actions)
        others = _shuffled(actions, rng)
        last = to_unit(frames[:, length - 1])
        plays = {"made": actions, "shuffled": others}
        generators = {name: Generator(world) for name in plays}
        for generator in generators.values():
            generator.start(frames[:, :length], actions[:, : length - 1])
        for t in range(1, longest + 1):
            made = {name: g.step(plays[name][:, length + t - 2]) for name, g in generators.items()}
            if t not in AHEAD:
                continue
            true = to_unit(frames[:, length + t - 1])
            where = changed_pixels(last, true)
            for name, pictures in made.items():
                found[name, t].add(to_unit(pictures), true)
            found["copy", t].add(last, true)
            found["made_changed", t].add(to_unit(made["made"]), true, where)
            found["copy_changed", t].add(last, true, where)
        say(done)
    report: dict[str, float] = {}
    for t in AHEAD:
        report |= {
            f"psnr_{t}_db": found["made", t].db, f"copy_last_psnr_{t}_db": found["copy", t].db,
            f"changed_psnr_{t}_db": found["made_changed", t].db,
            f"copy_last_changed_psnr_{t}_db": found["copy_changed", t].db,
            f"delta_psnr_{t}_db": found["made", t].db - found["shuffled", t].db,
        }  # fmt: skip
    return report


def sharpness(frames: Tensor) -> float:
    """Mean absolute second difference of pictures f32 [.., 3, S, S]: a blurred picture has little."""
    return float(sum(frames.diff(n=2, dim=axis).abs().mean() for axis in (-1, -2)))


def histogram(frames: Tensor) -> FloatArray:
    """Shares of 16 levels of each colour, f32 [48]."""
    parts = [torch.histc(frames[..., c, :, :], _BINS, 0.0, 1.0) for c in range(3)]
    return np.concatenate([(part / part.sum()).numpy() for part in parts]).astype(np.float32)


def long_report(
    world: PixelWorld, episodes: Episodes, *, steps: int = 500, worlds: int = 4, seed: int = 0
) -> dict[str, float]:
    """Whether `steps` of the world's own pictures, under actions that were really played, keep what pictures have.

    sharpness: of the last 50 against real ones. histogram_distance: half the L1 distance of colours, 0 … 1, of the last
    50; copy_histogram_distance: of real pictures among themselves.
    """
    rng = np.random.default_rng(seed)
    batch = episodes.windows(rng, worlds, world.length)
    generator = Generator(world, temperature=0.5, seed=seed)
    generator.start(torch.from_numpy(batch.frames), torch.from_numpy(batch.actions[:, :-1]))
    pool = torch.from_numpy(np.concatenate([episodes.encoded(i) for i in range(len(episodes))]))
    at = rng.integers(0, len(pool), worlds)
    late = []
    for t in range(steps):
        made = generator.step(pool[(at + t) % len(pool)])
        if t >= steps - 50:
            late.append(to_unit(made))
    real = to_unit(torch.from_numpy(episodes.windows(rng, 256, 1).frames[:, 0]))
    made_all = torch.stack(late).flatten(0, 1)
    distance = 3 * 2
    return {
        "steps": float(steps), "sharpness_ratio": sharpness(made_all) / max(1e-9, sharpness(real)),
        "histogram_distance": float(np.abs(histogram(made_all) - histogram(real)).sum() / distance),
        "real_histogram_distance": float(np.abs(histogram(real[:128]) - histogram(real[128:])).sum() / distance),
    }  # fmt: skip


def mutual_information(
    first: np.ndarray[tuple[int, ...], np.dtype[np.int64]], second: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
) -> float:
    """Normalized mutual information (by the mean entropy) of two labellings, 0 … 1."""
    _, a = np.unique(first, return_inverse=True)
    _, b = np.unique(second, return_inverse=True)
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a, b), 1.0)
    joint /= joint.sum()
    rows, columns = joint.sum(1, keepdims=True), joint.sum(0, keepdims=True)
    seen = joint > 0
    information = float((joint[seen] * np.log(joint[seen] / (rows @ columns)[seen])).sum())
    entropy = -float((rows * np.log(rows)).sum() + (columns * np.log(columns)).sum()) / 2
    return information / entropy if entropy > 0 else 0.0


@torch.no_grad()
def regime_report(world: PixelWorld, episodes: Episodes, *, seed: int = 0) -> dict[str, float]:
    """How well the regimes match the game's own menus, each regime's share, and the loss at boundaries without them."""
    assert world.regime is not None
    found, menus = [], []
    for episode in episodes.items:
        frames = to_unit(torch.from_numpy(np.asarray(episode.frames[:2000])))[None]
        found.append(world.regime.logits(frames)[0].argmax(-1).numpy())
        if episode.menus is not None:
            menus.append((episode.menus[:2000] != "").astype(np.int64))
    labels = np.concatenate(found)
    report = {f"share_{i}": float((labels == i).mean()) for i in range(world.regime.count)}
    if len(menus) == len(found):
        report["menu_share"] = float(np.concatenate(menus).mean())
        report["nmi_menu"] = mutual_information(labels, np.concatenate(menus))
    report |= _boundary_losses(world, episodes, found, seed)
    return report


def _boundary_losses(
    world: PixelWorld, episodes: Episodes, found: list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]], seed: int
) -> dict[str, float]:
    """The loss of pictures right after a change of regime, told the regime and not."""
    length = world.sizes.dynamics.window if world.sizes.dynamics.arm == "maskgit" else world.length + 1
    places = [
        (i, t - length + 1)
        for i, labels in enumerate(found)
        for t in (np.flatnonzero(np.diff(labels)) + 1)
        if t >= length - 1
    ]
    if not places:
        return {"boundaries": 0.0}
    places = [places[i] for i in np.random.default_rng(seed).permutation(len(places))[:64]]
    cut = episodes.cut(np.array([i for i, _ in places]), np.array([s for _, s in places]), length)
    frames, actions = to_unit(torch.from_numpy(cut.frames)), torch.from_numpy(cut.actions)
    losses = {}
    for name, is_told in (("boundary_loss", True), ("boundary_loss_without", False)):
        torch.manual_seed(seed)
        losses[name] = float(step_loss(world, frames, actions, regime=is_told))
    return {"boundaries": float(len(places)), **losses}
