"""What is a policy worth that was cloned from labels, beside one of true actions? In MinAtar Breakout.

    python -m tools.bench.labels.cloning [--rows 50000] [--idm-steps 140] [--pictures 384000] [--seeds 5] [--out FILE]

A good player of Breakout is recorded, and policies are cloned from its pictures: with its true actions, with labels of
a model that saw 8,000 pictures of random play (`pseudo`), of a model that saw one fortieth of the recordings (`few`),
from that share alone (`few_alone`), and with true actions in a wrong order (`shuffled`). One model of inverse dynamics
an arm; seeds are of the cloned policies.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch

from agent.core.statistics import bootstrap
from agent.games.action_space import ActionSpace
from agent.games.env_view import EnvView
from agent.games.registered_env import make_env
from agent.learning.inverse_dynamics.labels import Labeller
from agent.learning.pixels.episodes import Episode, Episodes
from agent.training.gym import RowEnv
from agent.training.held_out import held_out_returns
from agent.training.labels.clone import CloneTraining
from tools.bench._result_file import publish
from tools.bench.labels._minatar import Game, Stream, enlarged, episodes_of
from tools.bench.labels._parts import part
from tools.bench.labels._training import trained

BENCH: Final = "labels_cloning"
GAME: Final = "gym:minatar.gym:MinAtar/Breakout-v1"
STREAM_ROWS: Final = 1000
FEW_SHARE: Final = 0.025
EPISODES: Final = 40
MAX_STEPS: Final = 2000
ARMS: Final = ("true", "pseudo", "shuffled", "few", "few_alone")


def returns(policy: Any, view: EnvView, seed: int) -> list[float]:
    """Returns of whole episodes, of at most MAX_STEPS, on seeds that nothing was recorded with."""
    envs = []
    for _ in range(10):
        env = make_env(f"{GAME.removeprefix('gym:')}?max_episode_steps={MAX_STEPS}")
        envs.append(RowEnv(env, view, ActionSpace(env.action_space)))
    return held_out_returns(envs, policy, [700_000 + 1000 * seed + k for k in range(EPISODES)])


class _Random(torch.nn.Module):
    """Plays at random, for the level that a policy of nothing has."""

    def __init__(self, policy: Any) -> None:
        super().__init__()
        self._policy = policy

    def initial(self, rows: int) -> Any:
        return self._policy.initial(rows)

    def forward(self, *inputs: Any) -> Any:
        heads, carry = self._policy(*inputs)
        noise = tuple(torch.rand_like(logits) for logits in heads.logits)
        return msgspec.structs.replace(heads, logits=noise), carry


def labelled(labeller: Labeller, streams: list[Stream], true: Episodes) -> tuple[Episodes, dict[str, float]]:
    """Episodes with the actions that a model tells, and how many of those that stay are right."""
    items: list[Episode] = []
    kept = right = rows = 0
    for stream, own in zip(streams, true.items, strict=True):
        labels = labeller.label(enlarged(stream).frames)
        assert own.actions is not None and own.known is not None
        known = labels.known & own.known
        rows, kept = rows + int(own.known.sum()), kept + int(known.sum())
        right += int((labels.actions[known] == own.actions[known]).sum())
        items.append(replace(own, actions=labels.actions, known=known))
    return replace(true, items=tuple(items)), {"kept_share": round(kept / rows, 4), "right": round(right / kept, 4)}


class Table:
    """The arms of one campaign; recordings and models are made when an arm first needs them."""

    def __init__(self, rows: int, idm_steps: int, pictures: int) -> None:
        self.rows, self.idm_steps, self.pictures = rows, idm_steps, pictures
        self._game = Game("Breakout", sticky=0.1)
        self._streams: list[Stream] = []
        self._made: dict[str, tuple[Episodes, dict[str, float]]] = {}

    @property
    def streams(self) -> list[Stream]:
        """What the good player did; its actions are hidden from all arms but `true`."""
        if not self._streams:
            count = self.rows // STREAM_ROWS
            self._streams = [self._game.stream(STREAM_ROWS, 40_000 + k, follows=True, size_px=10) for k in range(count)]
        return self._streams

    def episodes(self, arm: str) -> tuple[Episodes, dict[str, float]]:
        """What an arm learns from, and what its labels are worth."""
        if arm not in self._made:
            true = episodes_of(self._game, self.streams)
            if arm == "true":
                self._made[arm] = true, {}
            elif arm == "shuffled":
                rng = np.random.default_rng(0)
                mixed = tuple(replace(e, actions=rng.permutation(np.asarray(e.actions))) for e in true.items)
                self._made[arm] = replace(true, items=mixed), {}
            elif arm == "few_alone":
                self._made[arm] = self._few(), {}
            else:
                self._made[arm] = labelled(self._model(arm), self.streams, true)
        return self._made[arm]

    def _few(self) -> Episodes:
        """The labelled share of the recordings, in stretches of 125."""
        count = round(self.rows * FEW_SHARE / 125)
        streams = [self._game.stream(125, 50_000 + k, follows=True, size_px=10) for k in range(count)]
        return episodes_of(self._game, streams)

    def _model(self, arm: str) -> Labeller:
        """Inverse dynamics: of random play (pseudo), or of the labelled share of the good player's own."""
        if arm == "pseudo":
            learned = [self._game.stream(500, 60_000 + k) for k in range(16)]
            held_out = [self._game.stream(500, 61_000 + k) for k in range(2)]
        else:
            few = self._few().items
            streams = [self._game.stream(125, 50_000 + k, follows=True) for k in range(len(few))]
            learned, held_out = streams[:-2], streams[-2:]
        return trained(episodes_of(self._game, learned), episodes_of(self._game, held_out), self.idm_steps)

    def measure(self, arm: str, seed: int) -> dict[str, Any]:
        """One cloned policy."""
        episodes, worth = self.episodes("true" if arm == "random" else arm)
        training = CloneTraining(GAME, Path(), seed=seed, total_steps=self.pictures, episodes=episodes)
        figures: dict[str, float] = {}
        while arm != "random" and training.steps < self.pictures:
            figures = training.advance()
        policy: Any = _Random(training.policy) if arm == "random" else training.policy
        return {"return": round(float(np.mean(returns(policy, training.view, seed))), 3), **worth} | {
            name: round(value, 4) for name, value in figures.items()
        }


def table(rows: int, idm_steps: int, pictures: int, seeds: int) -> dict[str, Any]:
    """Every arm with its interval over seeds, and as a share of what true actions give."""
    made = Table(rows, idm_steps, pictures)
    asked = {"rows": rows, "idm_steps": idm_steps, "pictures": pictures}
    found: dict[str, list[dict[str, Any]]] = {arm: [] for arm in (*ARMS, "random")}
    for seed in range(seeds):
        for arm in found:
            found[arm].append(part(BENCH, f"clone-{arm}-{seed}", asked, partial(made.measure, arm, seed)))
    values: dict[str, Any] = {}
    base = np.array([row["return"] for row in found["true"]])
    floor = float(np.mean([row["return"] for row in found["random"]]))
    for arm, runs in found.items():
        own = np.array([row["return"] for row in runs])
        interval = bootstrap(own)
        values[arm] = {
            "return": round(interval.value, 2), "low": round(interval.low, 2), "high": round(interval.high, 2),
            "runs": own.tolist(),
        }  # fmt: skip
        if arm not in ("true", "random"):
            ratios = bootstrap(np.stack([own, base], 1), lambda s: s[:, :, 0].mean(1) / s[:, :, 1].mean(1))
            values[arm]["of_true"] = {name: round(float(x), 4) for name, x in ratios._asdict().items()}
            above = (own.mean() - floor) / max(1e-9, base.mean() - floor)
            values[arm]["of_true_above_random"] = round(float(above), 4)
        values[arm] |= {name: runs[0][name] for name in ("kept_share", "right") if name in runs[0]}
    return {**asked, "seeds": seeds, **values}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--idm-steps", type=int, default=140)
    parser.add_argument("--pictures", type=int, default=384_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    publish(BENCH, table(args.rows, args.idm_steps, args.pictures, args.seeds), args.out)


if __name__ == "__main__":
    main()
