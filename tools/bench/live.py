"""The shipped pilot live against itself vectorised: the same weights on the same runs of the arena, pair by pair.

    python -m tools.bench.live [--episodes 30] [--seed 1000] [--games 8] [--out docs/results/live.json]

Live: games of their own processes at 60 Hz in real time, each sending pictures too, all played at once by one agent
through sockets, as `play` does; game k begins with the first run of its seed, and every game goes on until all first
runs have ended. Vectorised: the same first runs side by side in one batch, the pilot's most likely actions held for
four ticks, as in training. A score is the time survived, a win counting as the cap. Passes where the lower end of the
95 % interval (bootstrap over pairs) of live mean / vectorised mean is at least 0.85.

A group of seeds that has been played is kept in `--keep`, so that a run that was cut off goes on where it was; one of
other rules, weights or compiled sources is refused.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from agent.app import Session, build_session
from agent.control.motor import checked_reflex, pilot_tensors
from agent.control.policies import SHIPPED, build_policy
from agent.control.reflex.network import decide, squashed
from agent.control.score import EpisodeResult, EpisodeTracker
from agent.core.clock import SystemClock
from agent.core.compiled import SOURCES, folder_for
from agent.core.files import write_atomically
from agent.core.statistics import bootstrap, summary
from agent.core.types import Action, Observation
from agent.games.arena.rules_hash import rules_hash
from agent.games.hosting import HostedProcess
from agent.games.options import HostOptions, Mode
from agent.link.endpoint import Endpoint
from agent.session.loop import new_event_loop
from agent.session.options import SessionOptions
from agent.training.arena.batch import ArenaBatch
from tools.bench._result_file import ROOT, publish

MIN_RATIO = 0.85
MAX_S = 1500.0


class FirstRuns:
    """Watches a session until each game has ended its first run."""

    def __init__(self, games: int) -> None:
        self.results: dict[int, EpisodeResult] = {}
        self.session: Session | None = None
        self._trackers = [EpisodeTracker() for _ in range(games)]

    def on_step(self, observation: Observation, action: Action, version: int) -> None:
        """Take the first result of each game; the last of them ends the session."""
        result = self._trackers[observation.game].add(observation)
        if result is None or observation.game in self.results:
            return
        self.results[observation.game] = result
        print(f"game {observation.game}: {result.score_s:.0f} s, {result.kills} kills", flush=True)
        if len(self.results) == len(self._trackers) and self.session is not None:
            self.session.stop()


def live(seeds: list[int], weights: Path | None, *, policy: str = "pilot", mode: Mode = "real-time") -> dict[str, Any]:
    """First runs of games with these seeds, all at once; by seed, with what the agent measured meanwhile."""
    with contextlib.ExitStack() as stack:
        hosts = [
            stack.enter_context(HostedProcess(HostOptions(game="arena", port=0, mode=mode, seed=seed, start="run")))
            for seed in seeds
        ]
        endpoints = tuple(Endpoint("127.0.0.1", host.port()) for host in hosts)
        options = SessionOptions(
            endpoints=endpoints, names=tuple(f"seed {s}" for s in seeds), seconds=MAX_S, http_port=None, game="arena",
            real_time=mode == "real-time",
        )  # fmt: skip
        watcher = FirstRuns(len(seeds))
        with asyncio.Runner(loop_factory=lambda: new_event_loop(endpoints)) as runner:

            async def main() -> dict[str, Any]:
                player = build_policy(policy, seed=0, weights=weights)
                watcher.session = build_session(options, player, SystemClock(), watchers=(watcher,))
                return await watcher.session.run()

            report = runner.run(main())
    missing = [seed for k, seed in enumerate(seeds) if k not in watcher.results]
    if missing:
        raise SystemExit(f"after {MAX_S:.0f} s the runs of seeds {missing} had not ended")
    results = {seed: watcher.results[k] for k, seed in enumerate(seeds)}
    scores, won = {s: r.score_s for s, r in results.items()}, {s: r.won for s, r in results.items()}
    return {"scores_s": scores, "won": won, "latency": report["latency"]}


def vectorised(seeds: list[int], weights: Path) -> dict[int, float]:
    """The same runs in one batch; `ArenaBatch` begins run k with seed + k."""
    assert seeds == list(range(seeds[0], seeds[0] + len(seeds)))
    reflex = checked_reflex(pilot_tensors(weights), str(weights))
    batch = ArenaBatch(len(seeds), seeds[0])
    hidden = np.zeros((len(seeds), reflex.gates.b.shape[0] // 4), np.float32)
    picture = np.zeros_like(reflex.picture.b)
    axes, buttons = np.zeros((len(seeds), 4), np.float32), np.zeros((len(seeds), 3), np.int32)
    cards = np.zeros(len(seeds), np.int32)
    scores: dict[int, float] = {}
    while len(scores) < len(seeds):
        o = batch.observed
        for k in range(len(seeds)):
            d = decide(
                reflex, o.self_[k], o.tokens[k], o.mask[k], o.rings[k], o.cards[k], picture, hidden[k],
                min(float(batch.elapsed_ticks[k]), 30.0),
            )  # fmt: skip
            hidden[k], axes[k], buttons[k], cards[k] = d.hidden, squashed(d.axes), d.buttons > 0, np.argmax(d.cards)
        outcome = batch.step(axes, buttons, cards)
        rows = np.flatnonzero(outcome.is_last)
        hidden[rows] = 0.0
        for row, ended in zip(rows, outcome.ended, strict=True):
            scores.setdefault(seeds[int(row)], ended.score_s)
    return scores


def ratio(pairs: np.ndarray) -> tuple[float, float, float]:
    """Live mean over vectorised mean of pairs [N, 2], and its 95 % bootstrap interval."""
    value, low, high = bootstrap(pairs, lambda drawn: drawn[:, :, 0].mean(1) / drawn[:, :, 1].mean(1))
    return round(value, 4), round(low, 4), round(high, 4)


def group_in_process(seeds: list[int], weights: Path, keep: Path) -> dict[str, Any]:
    """`live` in a process of its own, or what an earlier one kept."""
    path = keep / f"{seeds[0]}-{seeds[-1]}.json"
    if not path.exists():
        keep.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable, "-m", "tools.bench.live",
            "--group", str(path), "--seed", str(seeds[0]), "--games", str(len(seeds)),
            "--weights", str(weights),
        ]  # fmt: skip
        subprocess.run(command, cwd=ROOT, check=True)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if any(found.get(key) != value for key, value in identity(weights).items()):
        raise SystemExit(f"{path} is of other rules, weights or sources; delete it")
    return found


def identity(weights: Path) -> dict[str, str]:
    """What a played group depends on: the rules, the weights' checksum, and the sources that numba compiles."""
    manifest = json.loads(Path(f"{weights}.json").read_text(encoding="utf-8"))
    return {"rules": rules_hash(), "pilot": manifest["sha256"], "compiled": folder_for(SOURCES, ROOT).name}


def main() -> None:
    """Play both ways and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--games", type=int, default=8, help="at once")
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--keep", type=Path, default=ROOT / "docs" / "results" / "parts" / "live")
    parser.add_argument("--group", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.group is not None:
        found = live(list(range(args.seed, args.seed + args.games)), args.weights)
        found |= identity(args.weights)
        write_atomically(args.group, json.dumps(found, indent=1) + "\n")
        return
    seeds = list(range(args.seed, args.seed + args.episodes))
    groups = [seeds[k : k + args.games] for k in range(0, len(seeds), args.games)]
    batch = vectorised(seeds, args.weights)
    played = [group_in_process(group, args.weights, args.keep) for group in groups]
    lived = {int(seed): score for part in played for seed, score in part["scores_s"].items()}
    pairs = np.array([(lived[seed], batch[seed]) for seed in seeds])
    mean, low, high = ratio(pairs)
    publish(
        "live",
        {**identity(args.weights), "seed": args.seed, "games_at_once": args.games,
         "ratio": mean, "ratio_low": low, "ratio_high": high, "passed": low >= MIN_RATIO,
         "live": summary(pairs[:, 0].tolist()),
         "vectorised": summary(pairs[:, 1].tolist()),
         "scores_s": {str(s): [lived[s], round(batch[s], 1)] for s in seeds},
         "latency": [part["latency"] for part in played]},
        args.out,
    )  # fmt: skip
    sys.exit(0 if low >= MIN_RATIO else 1)


if __name__ == "__main__":
    main()
