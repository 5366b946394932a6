"""The command line: play, host, evaluate, doctor.

Parses and checks; the rooms below do the work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console

from agent.core.errors import AgentError

Mode = Literal["real-time", "lock-step", "fast"]
FrameFormat = Literal["jpeg", "raw_rgb"]

app = App(
    name="python -m agent",
    help="Plays Megabonk, the built-in arena, or any Gymnasium environment, in real time.",
    version_flags=["--version"],
    version=lambda: version("metabonk-apex"),
)


def _size(text: str) -> tuple[int, int]:
    from agent.core.errors import SettingsError

    width, x, height = text.lower().partition("x")
    if not (x and width.isdigit() and height.isdigit()):
        raise SettingsError(f"--capture {text}: write WIDTHxHEIGHT, such as 320x180")
    return int(width), int(height)


@app.default
@app.command
def play(
    *,
    game: str = "auto",
    games: int = 1,
    policy: str = "pilot",
    weights: Path | None = None,
    seconds: float | None = None,
    episodes: int | None = None,
    seed: int = 0,
    report: Path | None = None,
    http_port: int | None = None,
    http: bool = True,
    open_page: bool = True,
    lock_step: bool = False,
    calibration: Path | None = None,
    learn: bool = True,
    capture: str = "320x180",
    config: Path | None = None,
) -> int:
    """Play a game over its socket, in real time.

    Args:
        game: auto (a game that answers, or the arena), arena, gym:ID, bonklink://HOST:PORT, pipe://NAME, research://N
        games: How many games at once; with a port they are at PORT, PORT+1, …
        policy: random, kiter, dreamer, or a name that contains pilot: the shipped weights, unless it is untrained.
        weights: A sealed .safetensors file for the policy.
        seconds: Stop after this long; without it, play until interrupted.
        episodes: Stop after this many finished episodes.
        seed: Seed of hosted games and of the policy.
        report: Write a JSON report here at the end.
        http_port: Port of the page; 0 picks one. Default: METABONK_HTTP_PORT.
        http: Serve the page at all.
        open_page: Open the page in a browser where there is a display.
        lock_step: Host the game in lock-step instead of real time: it waits for each action.
        calibration: bonklink-game-data.json that the plugin wrote: the arena with the installed game's own values.
        learn: Learn from what is played, where the policy can, and from what workers push; actions are then sampled.
        capture: Picture size of a hosted arena, WIDTHxHEIGHT.
        config: A TOML file of settings. Default: ./metabonk.toml where it exists.
    """
    from agent.commands.play import PlayRequest, play_session

    request = PlayRequest(
        game=game,
        games=games,
        policy=policy,
        weights=weights,
        seconds=seconds,
        episodes=episodes,
        seed=seed,
        report=report,
        http_port=http_port,
        http=http,
        open_page=open_page,
        lock_step=lock_step,
        calibration=calibration,
        learn=learn,
        capture_px=_size(capture),
        config=config,
    )
    return play_session(request)


@app.command
def host(
    game: str,
    /,
    *,
    port: int = 5560,
    mode: Mode = "real-time",
    capture: str = "320x180",
    frame_format: Annotated[FrameFormat, Parameter(name="--format")] = "jpeg",
    frame_hz: float = 10.0,
    seed: int = 0,
    profile: Path | None = None,
    calibration: Path | None = None,
    report: Path | None = None,
    window: bool = False,
) -> int:
    """Host a game as a BonkLink server that any client can play.

    Args:
        game: arena or gym:[MODULE:]ID.
        port: TCP port on 127.0.0.1; 0 picks one and prints it.
        mode: real-time, lock-step (waits for each action) or fast (never waits).
        capture: Picture size, WIDTHxHEIGHT; the arena takes 84x84 to 1280x720.
        frame_format: jpeg or raw_rgb.
        frame_hz: Pictures per second; other packets carry the state alone.
        seed: Seed of the game.
        profile: TOML file with the action table of a Gymnasium environment.
        calibration: bonklink-game-data.json that the plugin wrote: the arena with the installed game's own values.
        report: Write the server's own counts and latencies here at the end.
        window: Play the arena yourself, in a window; clients see what you do.
    """
    from agent.games.hosting import HostOptions, run_host

    return run_host(
        HostOptions(
            spec=game,
            port=port,
            mode=mode,
            capture_px=_size(capture),
            frame_format=frame_format,
            frame_hz=max(frame_hz, 30.0) if window else frame_hz,
            seed=seed,
            window=window,
            profile=None if profile is None else str(profile),
            calibration=None if calibration is None else str(calibration),
            report=None if report is None else str(report),
        )
    )


@app.command
def evaluate(
    *,
    policy: str = "kiter",
    game: str = "arena",
    episodes: int = 10,
    seed: int = 0,
    weights: Path | None = None,
    report: Path | None = None,
    real_time: bool = False,
    calibration: Path | None = None,
    capture: str = "320x180",
    config: Path | None = None,
) -> int:
    """Measure a policy: returns, survival times, kills and levels of whole episodes.

    Args:
        policy: random, kiter, dreamer, or a name that contains pilot: the shipped weights, unless it is untrained.
        game: arena or gym:[MODULE:]ID in lock-step, as fast as possible; with --real-time any game.
        episodes: How many; each begins at the start of a run.
        seed: Episode k plays seed + k. Same seed, same report, but for keys named wall or latency.
        weights: A sealed .safetensors file for the policy.
        report: Write the JSON report here.
        real_time: Play over the socket in real time instead.
        calibration: bonklink-game-data.json that the plugin wrote: the arena with the installed game's own values.
        capture: Picture size of a hosted arena, WIDTHxHEIGHT.
        config: A TOML file of settings.
    """
    from agent.commands.play import EvaluateRequest, evaluate_policy

    return evaluate_policy(
        EvaluateRequest(
            policy=policy,
            game=game,
            episodes=episodes,
            seed=seed,
            weights=weights,
            report=report,
            real_time=real_time,
            calibration=calibration,
            capture_px=_size(capture),
            config=config,
        )
    )


@app.command
def train(
    *,
    game: str = "arena",
    steps: int,
    out: Path,
    seed: int = 0,
    lesson_steps: int | None = None,
    copies: int = 8,
    resume: bool = False,
    tensorboard: bool | None = None,
    config: Path | None = None,
) -> int:
    """Train a policy; the folder gets its weights, curve, TensorBoard files and checkpoints.

    With METABONK_SERVED_POLICY=dreamer it is the dreaming policy: world model and dreams, on games in lock-step.

    Args:
        game: arena, or gym:[MODULE:]ID.
        steps: Decisions of all runs together.
        out: The folder.
        seed: Seed of the network and of the runs.
        lesson_steps: In the arena, so many of the steps are lessons by a script, before PPO. Default: a third.
        copies: Copies of a gym: environment, or games of a dreamer, that are stepped together.
        resume: Go on from the folder's checkpoint.
        tensorboard: Write TensorBoard files, which needs the extra `train`. Default: where it is installed.
        config: A TOML file of settings.
    """
    from agent.commands.play import check_learner_device
    from agent.core.clock import SystemClock
    from agent.core.settings import load_settings
    from agent.learning.configs import learner_budget
    from agent.training.command import TrainRequest
    from agent.training.command import train as run_training

    settings = load_settings(config, os.environ)
    dreams = settings.dreams.served_policy == "dreamer"
    if lesson_steps is None:
        lesson_steps = steps // 3 if game == "arena" and not dreams else 0
    budget = learner_budget(settings) if dreams else None
    if dreams:
        check_learner_device(settings)
    request = TrainRequest(game, steps, seed, out, resume, lesson_steps, copies, budget, tensorboard)
    return run_training(request, SystemClock(), Console(stderr=True))


@app.command
def quantize(
    weights: Path,
    /,
    *,
    format_: Annotated[Literal["int8", "int4", "nvfp4"], Parameter(name="--format")] = "int8",
    out: Path | None = None,
    episodes: int = 400,
    seed: int = 0,
) -> int:
    """Quantise a pilot's weights; refused unless it is shown on seeded episodes that its score falls by less than 5 %.

    Args:
        weights: A sealed .safetensors file of full precision.
        format_: int8 for a processor; int4 (compressed-tensors) or nvfp4 (ModelOpt) for a card.
        out: The new file. Default: beside the old one, with the format in its name.
        episodes: How many each of the two plays, at least 400.
        seed: Episode k plays seed + k.
    """
    from agent.training.quantize import quantize as run_quantize

    console = Console(stderr=True)
    path = weights.with_name(f"{weights.stem}-{format_}.safetensors") if out is None else out
    run_quantize(
        weights, format_, path, episodes=episodes, seed=seed,
        say=lambda text: console.print(text, highlight=False),
    )  # fmt: skip
    print(path)
    return 0


@app.command
def doctor(*, game_dir: Path | None = None, config: Path | None = None) -> int:
    """Look for what would keep the agent from playing well; one line a fault, with its remedy.

    Args:
        game_dir: Look into this folder of Megabonk too. Default: the one that Steam knows, where there is one.
        config: A TOML file of settings.
    """
    from agent.commands.play import run_doctor

    return run_doctor(config, game_dir)


@app.command
def prepare() -> int:
    """Compile what is compiled at first use, so that the first start is as quick as the next; once, about a minute."""
    from agent.setup.prepare import compile_all

    console = Console(stderr=True)
    compile_all(lambda text: console.print(f"compiling {text}", highlight=False))
    return 0


weights_app = App(name="weights", help="Weight files: give one its manifest, list the versions of the store.")
app.command(weights_app)


@weights_app.command
def seal(file: Path, /, *, kind: str = "pilot") -> int:
    """Write the manifest of a .safetensors file, so that it may be loaded.

    Args:
        file: The file.
        kind: What it holds: pilot or dreamer.
    """
    from agent.commands.weights import seal_file

    return seal_file(file, kind)


@weights_app.command(name="list")
def list_weights(*, config: Path | None = None) -> int:
    """List the policies of the weights folder with their versions.

    Args:
        config: A TOML file of settings.
    """
    from agent.commands.weights import list_versions

    return list_versions(config)


def run(argv: Sequence[str]) -> int:
    """Run one command; returns the exit code: 0 done, 2 refused input, 1 failed, 130 interrupted."""
    console = Console(stderr=True)
    try:
        result = app(list(argv), result_action="return_value", exit_on_error=True, print_error=True)
    except AgentError as error:
        console.print(f"[bold red]{type(error).__name__}[/]: ", end="")
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        return 130
    return int(result) if isinstance(result, int) else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(run(sys.argv[1:]))
