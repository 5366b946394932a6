"""What a planner gains: runs of the same seeds with System 2 on and off, for five goals that were named beforehand.

    python -m tools.bench.planner.on_off [--seeds 50] [--arms off drawn oracle builtin] [--goals shrines chests
        boss survive level] [--model small | http://127.0.0.1:8080/v1] [--parts DIR] [--out FILE]

The policy `motor` plays the first `PLAYED_S` of runs of the arena in lock-step; the planner lives in the game's time.
Arms: `off`; `builtin` plans for the goal; `oracle` is a script that names the goal's own subgoal all the time; `drawn`,
the control, draws a subgoal each 15 s; `model` is the builtin's list ranked by a language model, at `--model` or the
small one of `real_model`. The seconds that it thinks pass in the game as well: of the small one the processor seconds
of its one thread, which are those of a machine that does nothing else.
Of the first three goals the oracle must gain at least a fifth, and then the builtin's interval must lie above that of
`off`; of the others it gains less, and the builtin may lose 2 %. Runs are kept as parts, so that a run that was cut off
goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import psutil

from agent.control import chunks
from agent.control.arbiter import Arbiter
from agent.control.chunks.policy import TRAINED, ChunkMotor
from agent.control.policies import SHIPPED_MOTOR, build_policy
from agent.core import goals as vocabulary
from agent.core.clock import VirtualClock
from agent.core.goals.progress import Tally, begin
from agent.core.goals.vocabulary import Subgoal
from agent.core.statistics import paired_difference, summary
from agent.core.types import Observation
from agent.games.arena.game import ArenaGame
from agent.games.arena.rules_hash import rules_hash
from agent.planning import planner as planning
from agent.planning.backend import Backend, LlmConfig
from agent.planning.goal import parse_goal
from agent.planning.llm import ByChild, LanguageModel
from agent.planning.messages import Ask, Look, Seen, Server, Told
from agent.planning.planner import Planner
from agent.training.arena.goals import counted
from agent.training.evaluate import observe
from tools.bench._result_file import ROOT, publish
from tools.bench.tiers import fingerprint

PARTS: Final = Path("docs/results/parts/system_two")
FIRST_SEED: Final = 77_000_000
PLAYED_S: Final = 150.0
MEASURES: Final = ("chests", "shrines", "bosses", "levels", "seconds")
DRAWN_S: Final = 15.0
PATIENCE_S: Final = 900.0
"""A model on a busy machine gets so long; what counts as its time is told above."""
SMALL: Final = "small"
NEEDED_GAIN, ALLOWED_LOSS = 0.2, 0.02
SHARED: Final = ("off", "drawn")
"""Arms that do not know the goal, so that one run of a seed serves all goals."""
SOURCES: Final = tuple(
    path for module in (planning, vocabulary, chunks) for path in sorted(Path(str(module.__file__)).parent.glob("*.py"))
)
"""What plans and what pursues is made of."""
Script = Callable[[Observation], Subgoal | None]


class Case(NamedTuple):
    """A goal in words, what is measured of it, the oracle's script, and whether the oracle is to gain."""

    text: str
    measure: str
    oracle: Script
    gains: bool


_CHEST, _SHRINE, _BOSS, _XP = TRAINED


def _level(observation: Observation) -> int:
    return observation.state.run.level if observation.state.run is not None else 0


CASES: Final = {
    "shrines": Case("open shrines", "shrines", lambda seen: _SHRINE, True),
    "chests": Case("open chests", "chests", lambda seen: _CHEST, True),
    "boss": Case("beat the boss at level 5", "bosses", lambda seen: _BOSS if _level(seen) >= 5 else _XP, True),
    "survive": Case("survive 20 minutes", "seconds", lambda seen: _XP, False),
    "level": Case("reach level 30", "levels", lambda seen: _XP, False),
}


class Model:
    """Carries questions to a real server; the seconds that it took, by `used_s` where it is given, pass in the game."""

    def __init__(self, clock: VirtualClock, used_s: Callable[[], float] | None = None) -> None:
        self.thinks = False
        self._clock, self._inner, self._used_s = clock, ByChild(), used_s

    async def ask(self, ask: Ask) -> Told:
        """The answer, so many seconds of the game later as it took."""
        began_s, self.thinks = self._clock.now_s(), True
        used_s = self._used_s() if self._used_s is not None else 0.0
        try:
            told = await self._inner.ask(msgspec.structs.replace(ask, total_s=PATIENCE_S, silence_s=PATIENCE_S))
        finally:
            self.thinks = False
        took_s = self._used_s() - used_s if self._used_s is not None else told.took_s
        await self._clock.sleep_until(began_s + min(took_s, ask.total_s))
        return told if took_s <= ask.total_s else Told(fault="slow", error=f"{took_s:.1f} s of {ask.total_s:g} s")

    async def look(self, look: Look) -> Seen:
        """What the server says of itself."""
        return await self._inner.look(look)

    def close(self) -> None:
        """End the process that talks."""
        self._inner.close()


class Small:
    """The process of the small model."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tools.bench.planner.real_model"]
        self._process = psutil.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self._process.stdout.readline().strip()

    def used_s(self) -> float:
        """Processor seconds so far."""
        times = self._process.cpu_times()
        return float(times.user + times.system)


class Bench:
    """One game and one motor, and the model where one is wanted."""

    def __init__(self, url: str | None) -> None:
        self.game, self.policy = ArenaGame(), build_policy("motor", seed=0)
        assert isinstance(self.policy, ChunkMotor)
        self.motor: ChunkMotor = self.policy
        self.motor.warm_up()
        self.url, self.server = url, None if url != SMALL else Small()
        self.told: dict[str, Any] = {}
        self.courier = Model(VirtualClock())

    def run(self, seed: int, goal: str, arm: str) -> dict[str, Any]:
        """What one run gained until `PLAYED_S` or its end, how often what was told, and how the model fared."""
        self.told = {}
        return {"gained": asyncio.run(self._run(seed, goal, arm)), **({"told": self.told} if self.told else {})}

    async def _run(self, seed: int, goal: str, arm: str) -> dict[str, float]:
        clock, drawn = VirtualClock(), random.Random(seed)
        self.game.reset(seed, start="run")
        self.motor.pursue(0, None, None)
        planner = await self._planner(goal, arm, clock)
        script: Script | None = CASES[goal].oracle if arm == "oracle" else None
        if arm == "drawn":
            order = [drawn.choice(TRAINED) for _ in range(1 + int(PLAYED_S * 4 / DRAWN_S))]
            script = lambda seen: order[int(seen.received_at_s / DRAWN_S) % len(order)]
        task = asyncio.ensure_future(planner.run()) if planner is not None else None
        try:
            return await self._play(clock, planner, script)
        finally:
            if task is not None and planner is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                self.told |= planner.counts()
                if arm == "model" and planner.backend is not None and planner.backend.model is not None:
                    self.told["llm"] = planner.backend.model.status()
                    planner.backend.close()

    async def _planner(self, goal: str, arm: str, clock: VirtualClock) -> Planner | None:
        if arm not in ("builtin", "model"):
            return None
        backend = Backend(LlmConfig(), clock)
        if arm == "model":
            assert self.url is not None
            url = self.url if self.server is None else self.server.url
            self.courier = Model(clock, None if self.server is None else self.server.used_s)
            backend.model = LanguageModel(Server("openai", url), self.courier, clock, timeout_s=LlmConfig().timeout_s)
            await backend.model.find()
            backend.model.ready = True
        goal_of = parse_goal(CASES[goal].text)
        return Planner(goal_of, 1, clock, lambda *_: None, backend=backend, pursue=self.motor.pursue)

    async def _play(self, clock: VirtualClock, planner: Planner | None, script: Script | None) -> dict[str, float]:
        game, arbiter, carry, tally = self.game, Arbiter(), self.motor.initial(1), Tally()
        found, before, tick = np.zeros(4), counted(game.worlds)[0], 0
        while True:
            seen = observe(game, 0, game.state(), None, tick)
            now = counted(game.worlds)[0]
            if not seen.is_last:
                found += np.maximum(now - before, 0.0)
            before = now
            if seen.is_last or seen.state.game_time_s >= PLAYED_S:
                return dict(zip(MEASURES, [*map(float, found), round(seen.state.game_time_s, 3)], strict=True))
            if script is not None:
                wanted = script(seen)
                pursuit = begin(wanted, tally, seen.state, clock.now_s()) if wanted is not None else None
                self.motor.pursue(0, pursuit, None)
            carry, actions = self.motor.step(carry, [seen])
            action = arbiter.choose(actions[0]).action
            game.tick(action)
            if planner is not None:
                planner.on_step(seen, action, 0)
            while self.courier.thinks:
                await asyncio.sleep(0.002)
            await clock.advance(game.tick_s)
            tick += 1


def kept(path: Path, made_of: dict[str, str]) -> dict[int, dict[str, Any]]:
    """Runs that were kept and are of these sources, by seed."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    return {row["seed"]: row for row in rows if row["made_of"] == made_of}


def runs_of(bench: Callable[[], Bench], folder: Path, goal: str, arm: str, seeds: range) -> dict[int, dict[str, Any]]:
    """The runs of one arm, those that are missing played and kept."""
    made_of = {"rules": rules_hash(), "motor": fingerprint([SHIPPED_MOTOR]), "sources": fingerprint(SOURCES)}
    if arm in SHARED:
        made_of["sources"] = fingerprint([p for p in SOURCES if p.parent.name == "chunks"])
    else:
        made_of["goal"] = CASES[goal].text
    path = folder / (f"{arm}.jsonl" if arm in SHARED else f"{goal}-{arm}.jsonl")
    found = kept(path, made_of)
    for seed in seeds:
        if seed not in found:
            found[seed] = {"seed": seed, "made_of": made_of, **bench().run(seed, goal, arm)}
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found[seed]) + "\n")
            print(goal, arm, seed, found[seed]["gained"], found[seed].get("told", ""), flush=True)
    return {seed: found[seed] for seed in seeds}


def figures(case: Case, arms: dict[str, dict[int, dict[str, Any]]]) -> dict[str, Any]:
    """What each arm gained of the goal's own measure, beside `off` on the same seeds."""
    seeds = sorted(set.intersection(*(set(runs) for runs in arms.values())))
    values = {arm: [runs[seed]["gained"][case.measure] for seed in seeds] for arm, runs in arms.items()}
    off = values["off"]
    rows = {}
    for arm, each in values.items():
        row: dict[str, Any] = {"mean": summary(each)}
        if arm != "off":
            row["minus_off"] = dict(paired_difference(each, off)._asdict())
            row["share"] = round(float(np.mean(each) / np.mean(off) - 1.0), 4) if np.mean(off) > 0 else None
        if arm == "model":
            row["llm"] = asked_of([arms[arm][seed]["told"]["llm"] for seed in seeds])
        rows[arm] = row
    return {"goal": case.text, "measure": case.measure, "oracle_is_to_gain": case.gains, "seeds": len(seeds), **rows}


def asked_of(models: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How a model fared in all runs: questions, answers that keep to the schema, faults by name, seconds."""
    counts = {key: sum(m[key] for m in models) for key in ("asked", "answered", "from_cache", "reply_tokens")}
    faults: dict[str, int] = {}
    for name, n in (item for m in models for item in m["faults"].items()):
        faults[name] = faults.get(name, 0) + n
    took = [m["latency_s"] for m in models if m["latency_s"] is not None]
    return {
        "model": models[0]["model"], **counts, "faults": faults,
        "latency_s": {
            "p50": round(float(np.median([each["p50"] for each in took])), 3), "max": max(each["max"] for each in took)
        },
    }  # fmt: skip


def checks(found: dict[str, Any]) -> dict[str, bool]:
    """What is to hold of one goal."""
    off, builtin, oracle = (found[arm]["mean"] for arm in ("off", "builtin", "oracle"))
    share = found["oracle"]["share"]
    oracle_gains = oracle["mean"] > off["mean"] if share is None else share >= NEEDED_GAIN
    if not found["oracle_is_to_gain"]:
        return {
            "the oracle gains less than a fifth": not oracle_gains,
            "the builtin loses at most 2 %": found["builtin"]["share"] >= -ALLOWED_LOSS,
        }
    held = {
        "the oracle gains a fifth": oracle_gains and oracle["mean_low"] > off["mean_high"],
        "the builtin gains, intervals disjoint": builtin["mean_low"] > off["mean_high"],
    }
    if "drawn" in found:
        held["control: drawn subgoals gain less"] = found["drawn"]["mean"]["mean_high"] < builtin["mean_low"]
    return held


def main() -> None:
    """Play what is missing, and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--arms", nargs="+", default=["off", "drawn", "oracle", "builtin"])
    parser.add_argument("--goals", nargs="+", choices=tuple(CASES), default=list(CASES))
    parser.add_argument("--model", default=SMALL, help="for the arm `model`: an address of OpenAI's API, or small")
    parser.add_argument("--parts", type=Path, default=PARTS)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    made: list[Bench] = []

    def bench() -> Bench:
        if not made:
            made.append(Bench(args.model if "model" in args.arms else None))
        return made[0]

    seeds, found = range(args.first_seed, args.first_seed + args.seeds), {}
    for goal in args.goals:
        arms = {arm: runs_of(bench, args.parts, goal, arm, seeds) for arm in args.arms}
        found[goal] = figures(CASES[goal], arms)
    held = {goal: checks(each) for goal, each in found.items() if {"off", "oracle", "builtin"} <= set(args.arms)}
    passed = all(value for each in held.values() for value in each.values())
    values = {"played_s": PLAYED_S, "first_seed": args.first_seed, "goals": found, "checks": held, "passed": passed}
    publish("planner on_off", values, args.out)


if __name__ == "__main__":
    main()
