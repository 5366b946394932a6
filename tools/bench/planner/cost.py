"""What the builtin planner costs play: processor time and answers beside play without a planner.

    python -m tools.bench.planner.cost [--rounds 4] [--seconds 30] [--seed 0] [--out FILE]

`own`: the kiter plays the arena in lock-step with a planner that lives in the game's time; the processor time of the
planner's own calls, for each second of play. Beside it (`--rounds 0` leaves it out): one game process with two ports,
half a period apart, 60 packets a second. `play` with METABONK_LLM_BACKEND=builtin answers one, `play` with
METABONK_USE_SIMA2=0 the other, ports exchanged each round. Processor time is each agent's own, from when both have
begun; differences of p50 and p99 have 95 % intervals, bootstrapped over blocks of one second.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from agent.control.policies import build_policy
from agent.core.clock import VirtualClock
from agent.core.statistics import bootstrap
from agent.games.arena.game import ArenaGame
from agent.planning.goal import parse_goal
from agent.planning.planner import Planner
from agent.training.evaluate import observe
from tools.bench._result_file import publish
from tools.bench.latency import FloatArray, _ports, blocks_of, foreign_game, picture
from tools.bench.planner.faults import BEGIN_S, _agent, _between, _status
from tools.bench.recording import differences

NAMES: Final = ("with_planner", "without")
OWN_S: Final = 120.0


def _begun(http: list[int]) -> None:
    """Wait until both agents answer their games."""
    end_s = time.monotonic() + BEGIN_S
    while time.monotonic() < end_s:
        found = [_status(port) for port in http]
        if all(each is not None and "frame_to_action" in each["latency"] for each in found):
            return
        time.sleep(0.5)
    raise SystemExit(f"an agent did not begin within {BEGIN_S:.0f} s")


def _used_s(agent: psutil.Popen) -> float:
    times = agent.cpu_times()
    return float(times.user + times.system)


def one_round(seconds: float, seed: int) -> tuple[list[float], int, list[list[FloatArray]]]:
    """Processor time of both, of one core, how often the one planned, and their answers."""
    mine = seed % 2
    with tempfile.TemporaryDirectory() as name:
        folder, ports, http = Path(name), _ports(2), _ports(2)
        with foreign_game(ports, picture(folder), ("--each", "--seed", str(seed))) as finish:
            agents = [
                _agent(ports[mine], http[0], folder / "a", METABONK_USE_SIMA2="1", METABONK_LLM_BACKEND="builtin"),
                _agent(ports[1 - mine], http[1], folder / "b", METABONK_USE_SIMA2="0"),
            ]
            try:
                _begun(http)
                begin_s, before = time.monotonic(), [_used_s(agent) for agent in agents]
                time.sleep(seconds)
                end_s, after = time.monotonic(), [_used_s(agent) for agent in agents]
                status = _status(http[0])
                seen = finish()
            finally:
                for agent in agents:
                    agent.terminate()
                for agent in agents:
                    agent.wait(60)
    shares = [(b - a) / (end_s - begin_s) for a, b in zip(before, after, strict=True)]
    plans = int(status["planner"]["counts"]["plans"]) if status is not None else 0
    answers = [_between(seen[at], begin_s, end_s) for at in (mine, 1 - mine)]
    return shares, plans, blocks_of(answers)


async def own(seconds: float, seed: int) -> dict[str, float]:
    """Processor time of a planner's calls while the arena is played, ms for each second of the game's clock."""
    game, policy, clock = ArenaGame(), build_policy("kiter", seed=0), VirtualClock()
    planner = Planner(parse_goal("survive 20 minutes"), 1, clock, lambda *_: None)
    task, carry, tick = asyncio.ensure_future(planner.run()), policy.initial(1), 0
    game.reset(seed, start="run")
    spent_s = {"steps": 0.0, "plans": 0.0}
    while clock.now_s() < seconds:
        seen = observe(game, 0, game.state(), None, tick)
        carry, actions = policy.step(carry, [seen])
        assert actions[0] is not None
        game.tick(actions[0])
        begin_s = time.process_time()
        planner.on_step(seen, actions[0], 0)
        between_s = time.process_time()
        await clock.advance(game.tick_s)
        spent_s["steps"] += between_s - begin_s
        spent_s["plans"] += time.process_time() - between_s
        tick = 0 if seen.is_last else tick + 1
        if seen.is_last:
            game.reset(seed + 1, start="run")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    plans = planner.counts()["plans"]
    return {f"{name}_ms": round(1000.0 * each / seconds, 3) for name, each in spent_s.items()} | {"plans": plans}


def main() -> None:
    """Measure, and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    values: dict[str, Any] = {"load_before": round(os.getloadavg()[0], 2), "own": asyncio.run(own(OWN_S, args.seed))}
    if args.rounds:
        values["beside"] = beside([one_round(args.seconds, args.seed + k) for k in range(args.rounds)], args.seed)
    publish("planner cost", {"seconds": args.seconds, **values}, args.out)


def beside(rounds: Sequence[tuple[list[float], int, list[list[FloatArray]]]], seed: int) -> dict[str, Any]:
    """The rounds together."""
    shares = np.array([each[0] for each in rounds])
    more = bootstrap(shares[:, 0] - shares[:, 1])
    return {
        "rounds": len(rounds), "plans": sum(each[1] for each in rounds),
        "cpu_share": {name: round(float(share), 4) for name, share in zip(NAMES, shares.mean(0), strict=True)},
        "cpu_share_more": {key: round(value, 4) for key, value in more._asdict().items()},
        **differences([block for each in rounds for block in each[2]], NAMES, seed),
    }  # fmt: skip


if __name__ == "__main__":
    main()
