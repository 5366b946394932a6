"""The command `weights compare`: two players on the same seeds of a game, and which is better."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from rich.console import Console

from agent.commands.options import FLAT
from agent.commands.players import check_fit, check_sight, name_of, with_sight
from agent.commands.starting import Starting
from agent.concurrency.child import no_helpers_left
from agent.concurrency.streams import printing_to_stderr
from agent.core import compiled
from agent.core.errors import SettingsError
from agent.core.files import check_output, held_open
from agent.games.options import GameOptions, is_gymnasium, is_hosted

WEIGHTS: Final = ".safetensors"


@dataclass(frozen=True)
class Players:
    """Who is compared."""

    first: str
    """A file of weights, or the name of a policy, such as pilot or kiter."""
    second: str
    """The other one."""


@dataclass(frozen=True, kw_only=True)
class CompareOptions(GameOptions, Players):
    """Who is compared, on what, and for how long."""

    episodes: int = 60
    """How many seeds both play."""
    seed: int = 0
    """Episode k plays seed + k with both."""
    report: Path | None = None
    """Write the JSON report here."""


def compare_weights(options: Annotated[CompareOptions, FLAT]) -> int:
    """Play two files of weights on the same seeds, and say which is better, with a 95 % interval.

    The exit code is 1 where the first is shown to be worse than the second, or nothing could be compared.
    """
    if options.episodes < 1:
        raise SettingsError(f"--episodes {options.episodes}: at least 1")
    if options.report is not None:
        check_output("--report", options.report)
    if not is_hosted(options.game) or options.game == "auto":
        raise SettingsError(f"--game {options.game}: a hosted game is needed: arena, gym:ID or MODULE:FACTORY")
    return _compare(options, Console(stderr=True))


def _file(text: str) -> Path | None:
    return Path(text) if text.endswith(WEIGHTS) or Path(text).is_file() else None


def _player(text: str, seed: int) -> tuple[str, Any]:
    """The name of a policy, and what builds it."""
    from agent.control.policies import build_policy

    weights = _file(text)
    name = name_of(None if weights is not None else text, weights, "pilot")
    return name, lambda: build_policy(name, seed=seed, weights=weights)


def _compare(options: CompareOptions, console: Console) -> int:
    from agent.core.clock import SystemClock
    from agent.games.hosting import build_game, shown_by
    from agent.session.report import write_report
    from agent.training.compare import Pair, compare, in_words
    from agent.training.evaluate import FRAME_EVERY, picture_ticks

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    def keep(report: dict[str, Any]) -> None:
        if options.report is not None:
            write_report(options.report, report, into=into)
        shown = {key: value for key, value in report.items() if key not in ("results", "statistics", "action_hashes")}
        print(json.dumps(shown, indent=2), file=out, flush=True)
        say(in_words(report))

    def say_broken(report: dict[str, Any]) -> None:
        say(f"broken off after {len(report['results'])} of {options.episodes} pairs")
        keep(report)

    def say_pair(index: int, pair: Pair) -> None:
        scores = [p.episode_return if p.level is None else p.score_s for p in pair]
        say(f"seed {options.seed + index}: {scores[0]} and {scores[1]}")

    players = [_player(text, options.seed) for text in (options.first, options.second)]
    for name, _ in players:
        check_sight(name, options.game)
    starting = Starting(console, SystemClock(), compiles=compiled.is_cold() and options.game == "arena")
    with contextlib.ExitStack() as stack:
        into = stack.enter_context(held_open(options.report)) if options.report is not None else None
        out = stack.enter_context(printing_to_stderr())
        stack.enter_context(no_helpers_left())
        stack.enter_context(starting)
        seen = with_sight(options, _file(options.first) or _file(options.second))
        game = build_game(seen.from_run(options.seed), starting.say)
        try:
            policies = players[0][1](), players[1][1]()
            for policy in policies:
                check_fit(policy, options.game, shown_by(game))
            dreams = [name == "dreamer" for name, _ in players]
            frames = is_gymnasium(options.game)
            report = compare(
                game, policies, SystemClock(), names=(options.first, options.second),
                episodes=options.episodes, seed=options.seed, frames=frames,
                frame_every=(
                    picture_ticks(game) if dreams[0] else FRAME_EVERY,
                    picture_ticks(game) if dreams[1] else FRAME_EVERY,
                ),
                on_pair=say_pair, on_begun=starting.close, on_broken=say_broken,
            )  # fmt: skip
        finally:
            game.close()
        keep(report)
    return 1 if report["verdict"] == "second is better" or not report["pairs"] else 0
