"""Quantisation of a pilot's weights to eight or four bits, behind a gate of seeded episodes of the arena.

The gate is a test of non-inferiority. Both pilots play the same seeds. The quantised pilot passes only where the 95 %
bootstrap interval of the mean paired difference (quantised − original) lies above −margin; the margin is 5 % of the
original's mean score. Fewer episodes make the interval wider, so that fewer episodes pass less easily.

How many episodes: with a standard deviation of the differences of s and a margin of m, a pilot whose true difference is
zero passes with probability p where n = ((z(0.975) + z(p)) · s / m)². The pilot of 0.1.0 scored about 1,093 s, so m is
55 s. The differences of its int8, int4 and nvfp4 versions have s = 361, 399 and 407 s (119 pairs of seeds), together
390 s: one of the two loses a run that the other wins. n = 400 = `EPISODES` gives 80 %. The number is fixed from s; the
verdict waits for the last episode. A refused pilot that is tried again on other seeds has one more chance of 2.5 % to
pass although it is worse by the whole margin.

NVFP4 also needs the largest input of every layer; it is found on an episode of the original on a seed outside the test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final, Literal

import msgspec
import numpy as np

from agent.control import encode
from agent.control.motor import KIND, Motor, checked_path, pilot_tensors
from agent.control.reflex import paths
from agent.control.reflex.network import Tensors
from agent.core.errors import SettingsError, WeightsError
from agent.core.files import check_output
from agent.core.statistics import PERCENTILES, paired_difference
from agent.core.types import Action, Observation
from agent.games.arena.game import ArenaGame
from agent.models.sealed import Manifest, read_manifest, save_sealed
from agent.training.arena.lockstep import LockstepPlayer
from agent.training.evaluate import EvaluationRun

Format = Literal["int8", "int4", "nvfp4"]
EPISODES: Final = 400
MARGIN_SHARE: Final = 0.05
POWER: Final = 0.8
CALIBRATION_TICKS: Final = 1800
SAY_EVERY: Final = 50


class Gate(msgspec.Struct, frozen=True):
    """Mean scores of both pilots on the same seeds, and the verdict.

    difference_*: mean of quantised − original, with its 95 % interval; spread_s: standard deviation of the paired
    differences; passed: difference_low_s ≥ −margin_s, over at least `EPISODES` episodes.
    """

    episodes: int
    seed: int
    original_s: float
    quantised_s: float
    difference_s: float
    difference_low_s: float
    difference_high_s: float
    spread_s: float
    margin_s: float
    margin_share: float
    passed: bool
    rule: str = "difference_low_s >= -margin_s"

    def __str__(self) -> str:
        """The figures in one phrase."""
        interval = f"{self.difference_s:+.1f} s [{self.difference_low_s:+.1f}, {self.difference_high_s:+.1f}]"
        return (
            f"score {self.quantised_s:.1f} s against {self.original_s:.1f} s: {interval} over {self.episodes} episodes,"
            f" margin {self.margin_s:.1f} s ({self.margin_share:.0%} of the score)"
        )


def compare(original_s: Sequence[float], quantised_s: Sequence[float], seed: int) -> Gate:
    """The gate's verdict on scores of the same seeds, in seconds."""
    difference = paired_difference(quantised_s, original_s)
    margin_s = MARGIN_SHARE * float(np.mean(original_s))
    return Gate(
        episodes=len(original_s),
        seed=seed,
        original_s=round(float(np.mean(original_s)), 2),
        quantised_s=round(float(np.mean(quantised_s)), 2),
        difference_s=round(difference.value, 2),
        difference_low_s=round(difference.low, 2),
        difference_high_s=round(difference.high, 2),
        spread_s=round(float(np.std(np.subtract(quantised_s, original_s), ddof=1)), 2),
        margin_s=round(margin_s, 2),
        margin_share=MARGIN_SHARE,
        passed=len(original_s) >= EPISODES and difference.low >= -margin_s,
    )


def episodes_needed(spread_s: float, margin_s: float, power: float = POWER) -> int:
    """Episodes with which a pilot that is truly as good passes with probability `power`, at least `EPISODES`."""
    normal = NormalDist()
    z = normal.inv_cdf(PERCENTILES[1] / 100) + normal.inv_cdf(power)
    return max(EPISODES, math.ceil((z * spread_s / margin_s) ** 2))


class _Recorder:
    """Plays as its pilot does, and keeps what the pilot saw."""

    def __init__(self, policy: Motor) -> None:
        self.name = policy.name
        self.seen: list[encode.Encoded] = []
        self._policy = policy

    def warm_up(self) -> None:
        """Compile the pilot."""
        self._policy.warm_up()

    def initial(self, games: int) -> Any:
        """The pilot's carry."""
        return self._policy.initial(games)

    def step(self, carry: Any, observations: Sequence[Observation | None]) -> tuple[Any, list[Action | None]]:
        """The pilot's step; every fourth observation is kept."""
        for observation in observations:
            if observation is not None and (observation.sequence or 0) % 4 == 0:
                batch = encode.Encoded.empty(1)
                encode.encode_state(observation.state, 4 * observation.elapsed_s, carry[0].last, batch, 0)
                self.seen.append(batch)
        return self._policy.step(carry, observations)


def calibrate(tensors: Tensors, seed: int) -> dict[str, float]:
    """The largest input of every linear of a pilot, over one episode of the arena that it plays."""
    import torch

    from agent.control.untrained import pilot_of

    recorder = _Recorder(Motor(tensors))
    EvaluationRun(ArenaGame(), recorder, frames=False).episode(seed)
    network, maximum = pilot_of(tensors), dict[str, float]()

    def watch(name: str) -> Callable[..., None]:
        def hook(module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
            maximum[name] = max(maximum.get(name, 0.0), float(inputs[0].abs().max()))

        return hook

    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_pre_hook(watch(name))
    hidden = torch.zeros(1, network.sizes.units)
    with torch.inference_mode():
        for batch in recorder.seen[:CALIBRATION_TICKS]:
            parts = [torch.from_numpy(a) for a in (batch.self_, batch.tokens, batch.mask, batch.rings, batch.cards)]
            picture = torch.zeros(1, network.sizes.encoder.picture)
            hidden = network(*parts, picture, hidden, torch.full((1, 1), 4.0)).hidden
    return maximum


def quantised(tensors: Tensors, format_: Format, seed: int) -> Tensors:
    """The tensors of the same pilot in a format; `seed` is of the episode on which NVFP4 is calibrated."""
    if format_ == "int8":
        return paths.round_int8(tensors)
    from agent.models.quantised import round_four

    return round_four(tensors, format_, calibrate(tensors, seed) if format_ == "nvfp4" else None)


def player_of(tensors: Tensors, name: str) -> LockstepPlayer:
    """A player with the step that a processor computes of these weights; int8 in whole numbers, its coarsest way."""
    way = paths.whole_way() if paths.format_of(tensors) == "int8" else paths.FULL
    return LockstepPlayer(checked_path(tensors, name, way).reflex)


def scores_s(tensors: Tensors, name: str, seeds: range, say: Callable[[str], None]) -> list[float]:
    """The score of each seed's episode in seconds, as `evaluate` would report it."""
    player, scores = player_of(tensors, name), list[float]()
    for seed in seeds:
        scores.append(player.score_s(seed))
        if len(scores) % SAY_EVERY == 0 or len(scores) == len(seeds):
            say(f"{name}: {len(scores)} of {len(seeds)} episodes, mean score {np.mean(scores):.1f} s")
    return scores


def quantize(
    source: Path,
    format_: Format,
    out: Path,
    *,
    episodes: int,
    seed: int,
    say: Callable[[str], None],
) -> Gate:
    """Quantise, test and write; raises WeightsError with the figures where the gate refuses."""
    manifest, tensors = _checked_source(source, out, episodes)
    small = quantised(tensors, format_, seed + episodes)
    seeds = range(seed, seed + episodes)
    gate = compare(scores_s(tensors, "original", seeds, say), scores_s(small, format_, seeds, say), seed)
    if not gate.passed:
        raise WeightsError(f"{source}: {format_} is not written: {_refusal(gate)}")
    say(f"{format_} passes: {gate}")
    notes = manifest.notes | {"quantised": format_, "gate": msgspec.to_builtins(gate)}
    save_sealed(
        out, small, kind=KIND, layout=manifest.layout, sizes=manifest.sizes, created_by=f"quantize {format_}",
        parent=manifest.sha256, notes=notes,
    )  # fmt: skip
    return gate


def _checked_source(source: Path, out: Path, episodes: int) -> tuple[Manifest, Tensors]:
    """The manifest and the tensors of weights that can be quantised; raises before anything is played."""
    if episodes < EPISODES:
        raise SettingsError(f"--episodes {episodes}: fewer than {EPISODES} decide nothing; leave it out or give more")
    check_output("--out", out)
    if out.resolve() == source.resolve():
        raise SettingsError(f"--out {out}: is the file of full precision, which would be lost; give another name")
    manifest, tensors = read_manifest(source), pilot_tensors(source)
    if paths.format_of(tensors) != "fp32":
        raise WeightsError(f"{source}: is {paths.format_of(tensors)} already; give weights of full precision")
    return manifest, tensors


def _refusal(gate: Gate) -> str:
    """Why, and what to do, in one line."""
    if gate.difference_high_s < -gate.margin_s:
        return f"{gate}; it plays worse by more than the margin; keep full precision or try another --format"
    needed = max(episodes_needed(gate.spread_s, gate.margin_s), 2 * gate.episodes)
    return (
        f"{gate}; a loss of more than the margin is not ruled out; keep full precision, try another --format, or give"
        f" --episodes {needed} with a new --seed"
    )
