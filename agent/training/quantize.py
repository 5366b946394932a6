"""Rounding a pilot's weights to eight or four bits, behind a gate: both play the same seeded episodes of the arena.

The rounded pilot is written only where its score is not worse than the full one's beyond the interval: the 95 %
bootstrap interval of the mean difference, seed by seed, must reach zero. What was measured is kept in the file's notes.
For NVFP4 the largest input of every layer is found first, on observations of an episode that the full pilot plays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from agent.control import encode
from agent.control.motor import KIND, Motor, pilot_tensors
from agent.control.policy import Policy
from agent.control.reflex import paths
from agent.control.reflex.network import Tensors
from agent.core.clock import Clock
from agent.core.errors import SettingsError, WeightsError
from agent.core.types import Action, Observation
from agent.games.contract import HostedGame
from agent.models.sealed import read_manifest, save_sealed
from agent.training.evaluate import EvaluationRun, evaluate

Format = Literal["int8", "int4", "nvfp4"]
MIN_EPISODES = 20
RESAMPLES = 10_000
CALIBRATION_TICKS = 1800


class Gate(msgspec.Struct, frozen=True):
    """Scores of both pilots on the same seeds, and the interval of the mean difference; `passed` is the verdict."""

    episodes: int
    seed: int
    full_s: float
    rounded_s: float
    difference_s: float
    difference_low_s: float
    difference_high_s: float
    passed: bool


def compare(full_s: Sequence[float], rounded_s: Sequence[float], seed: int) -> Gate:
    """The gate's verdict on scores of the same seeds."""
    differences = np.asarray(rounded_s, np.float64) - np.asarray(full_s, np.float64)
    rng = np.random.default_rng(0)
    means = differences[rng.integers(0, len(differences), (RESAMPLES, len(differences)))].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return Gate(
        episodes=len(differences),
        seed=seed,
        full_s=round(float(np.mean(full_s)), 2),
        rounded_s=round(float(np.mean(rounded_s)), 2),
        difference_s=round(float(differences.mean()), 2),
        difference_low_s=round(float(low), 2),
        difference_high_s=round(float(high), 2),
        passed=bool(high >= 0),
    )


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


def calibrate(tensors: Tensors, game: HostedGame, seed: int) -> dict[str, float]:
    """The largest input of every linear of a pilot, over one episode that it plays."""
    import torch

    from agent.control.untrained import pilot_of

    recorder = _Recorder(Motor(tensors))
    EvaluationRun(game, recorder, frames=False).episode(seed)
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


def rounded(tensors: Tensors, format_: Format, game: HostedGame, seed: int) -> Tensors:
    """The tensors of the same pilot in a format."""
    if format_ == "int8":
        return paths.round_int8(tensors)
    from agent.models.quantised import round_four

    return round_four(tensors, format_, calibrate(tensors, game, seed) if format_ == "nvfp4" else None)


def quantize(
    source: Path,
    format_: Format,
    out: Path,
    game: HostedGame,
    clock: Clock,
    *,
    episodes: int,
    seed: int,
    say: Callable[[str], None],
) -> Gate:
    """Round, try, and write; raises WeightsError with the figures where the gate refuses."""
    if episodes < MIN_EPISODES:
        raise SettingsError(f"--episodes {episodes}: the gate needs at least {MIN_EPISODES}")
    if not out.parent.is_dir():
        raise SettingsError(f"--out {out}: there is no folder {out.parent}")
    if out.resolve() == source.resolve():
        raise SettingsError(f"--out {out}: is the file of full precision, which would be lost; give another name")
    manifest, tensors = read_manifest(source), pilot_tensors(source)
    if paths.format_of(tensors) != "fp32":
        raise WeightsError(f"{source}: is {paths.format_of(tensors)} already; give weights of full precision")
    small = rounded(tensors, format_, game, seed)
    scores = {}
    pilots: dict[str, Policy] = {
        "full": Motor(tensors, name=source.stem),
        format_: Motor(
            small, name=f"{source.stem} {format_}", way=paths.whole_way() if format_ == "int8" else paths.FULL
        ),
    }
    for name, policy in pilots.items():
        report = evaluate(game, policy, clock, episodes=episodes, seed=seed)
        scores[name] = [float(r["score_s"]) for r in report["results"]]
        say(f"{name}: mean score {np.mean(scores[name]):.1f} s over {episodes} episodes")
    gate = compare(scores["full"], scores[format_], seed)
    interval = f"{gate.difference_s:+.1f} s [{gate.difference_low_s:+.1f}, {gate.difference_high_s:+.1f}]"
    if not gate.passed:
        raise WeightsError(f"{source}: in {format_} its score changes by {interval}: worse; nothing is written")
    say(f"{format_} against full: {interval}: not worse")
    notes = manifest.notes | {"quantised": format_, "gate": msgspec.to_builtins(gate)}
    save_sealed(
        out, small, kind=KIND, layout=manifest.layout, sizes=manifest.sizes, created_by=f"quantize {format_}",
        parent=manifest.sha256, notes=notes,
    )  # fmt: skip
    return gate
