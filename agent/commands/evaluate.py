"""The command `evaluate`: whole episodes in lock-step, or in real time over the socket as `play` does."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from rich.console import Console

from agent.commands.options import FLAT, PolicyOptions
from agent.commands.play import PlayOptions, play_session
from agent.commands.players import check_fit, check_sight, name_of, said_of_another, say_start, with_sight
from agent.commands.starting import Starting
from agent.concurrency.child import no_helpers_left
from agent.concurrency.streams import printing_to_stderr
from agent.core import compiled
from agent.core.errors import SettingsError
from agent.core.files import check_output, held_open
from agent.core.settings import ConfigOption
from agent.games.options import GameOptions, is_gymnasium, is_hosted

if TYPE_CHECKING:
    from agent.control.reward import Weights


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(ConfigOption, PolicyOptions, GameOptions):
    """What is measured, on what, and for how long."""

    policy: str | None = None
    """random, kiter, router, motor, motor-best-of-8, dreamer, or a name that contains pilot: the shipped weights,
    unless it is untrained. MODULE:FACTORY is a policy of your own, found in the current folder or installed. Default:
    what the weights are, else kiter."""
    game: str = "arena"
    """arena, gym:[MODULE:]ID or MODULE:FACTORY (a Gymnasium environment of your own) in lock-step, as fast as possible;
    with --real-time any game."""
    episodes: int = 10
    """How many; each begins at the start of a run."""
    seed: int = 0
    """Episode k plays seed + k. Same seed, same report, but for keys named wall or latency."""
    report: Path | None = None
    """Write the JSON report here."""
    real_time: bool = False
    """Play over the socket in real time instead."""


_DEFAULT: Final = EvaluateOptions()


def evaluate(options: Annotated[EvaluateOptions, FLAT] = _DEFAULT) -> int:
    """Measure a policy: returns, survival times, kills and levels of whole episodes."""
    from agent.core.settings import load_settings

    if options.episodes < 1:
        raise SettingsError(f"--episodes {options.episodes}: at least 1")
    if options.report is not None:
        check_output("--report", options.report)
    if options.real_time:
        return play_session(_played_through_the_socket(options), measured=True)
    if not is_hosted(options.game):
        raise SettingsError(f"--game {options.game}: only hosted games run in lock-step; add --real-time")
    settings = load_settings(options.config, os.environ)
    if settings.link.use_research_shm:
        raise SettingsError(
            "METABONK_USE_RESEARCH_SHM plays research:// only; evaluate --real-time --game research://0"
        )
    from agent.control.reward import load_weights

    weights = load_weights(settings.general.reward_table)
    return _evaluate_in_lock_step(options, weights, Console(stderr=True))


def _played_through_the_socket(options: EvaluateOptions) -> PlayOptions:
    return PlayOptions(
        game=options.game, policy=name_of(options.policy, options.weights, "kiter"), weights=options.weights,
        episodes=options.episodes, seed=options.seed, report=options.report, calibration=options.calibration,
        tier=options.tier, character=options.character, capture=options.capture, config=options.config,
        profile=options.profile, open_page=False, http_port=0, learn=False,
        frame_skip=options.frame_skip, picture_px=options.picture_px, paint_flags=options.paint_flags,
    )  # fmt: skip


def _evaluate_in_lock_step(options: EvaluateOptions, weights: Weights, console: Console) -> int:
    from agent.control.policies import build_policy
    from agent.control.score import in_words
    from agent.core.clock import SystemClock
    from agent.games.hosting import build_game, game_notes, shown_by
    from agent.session.report import write_report
    from agent.training.evaluate import FRAME_EVERY, evaluate, picture_ticks

    def say(report: dict[str, Any]) -> None:
        print(json.dumps(report["statistics"], indent=2), file=out, flush=True)
        if options.report is not None:
            write_report(options.report, report, into=into)

    def say_broken(report: dict[str, Any]) -> None:
        kept = f"kept in {options.report}" if options.report is not None else "not kept: no --report was named"
        console.print(
            f"broken off after {len(report['results'])} of {options.episodes} episodes, {kept}", highlight=False
        )
        try:
            say(report)
        except SettingsError as error:  # what broke it off is said as well
            console.print(str(error), highlight=False, markup=False)

    name = name_of(options.policy, options.weights, "kiter")
    _ = options.capture_px  # raises where it cannot be read
    check_sight(name, options.game)
    starting = Starting(console, SystemClock(), compiles=compiled.is_cold() and options.game == "arena")
    with contextlib.ExitStack() as stack:
        into = stack.enter_context(held_open(options.report)) if options.report is not None else None
        out = stack.enter_context(printing_to_stderr())
        stack.enter_context(no_helpers_left())
        stack.enter_context(starting)
        game = build_game(with_sight(options, options.weights).from_run(options.seed), starting.say)
        starting.say(f"preparing {name} to act")
        try:
            policy = build_policy(name, seed=options.seed, weights=options.weights)
            check_fit(policy, options.game, shown_by(game))
            say_start(console, [*game_notes(game), *said_of_another(policy, options.game)], policy, None)
            report = evaluate(
                game, policy, SystemClock(), episodes=options.episodes, seed=options.seed,
                frames=is_gymnasium(options.game),
                frame_every=picture_ticks(game) if name == "dreamer" else FRAME_EVERY,
                on_episode=lambda i, r: console.print(f"episode {i}: {in_words(r)}", highlight=False, markup=False),
                on_begun=starting.close, weights=weights, on_broken=say_broken,
            )  # fmt: skip
        finally:
            game.close()
        say(report)
    return 1 if all(result.get("error") for result in report["results"]) else 0
