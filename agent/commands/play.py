"""What the commands do: find or host the games, build the policy, run the session, print what came of it.

Owns the hosted games' processes; the session itself is `agent.app`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from agent.core.clock import SystemClock
from agent.core.errors import AgentError, SettingsError, first_error
from agent.core.settings import Settings, load_settings
from agent.core.user_code import is_user_code
from agent.games.gymnasium_host import is_gymnasium
from agent.games.hosting import HostedProcess, HostOptions
from agent.learning.configs import learner_budget, preferences
from agent.link.endpoint import Endpoint, parse_endpoint
from agent.link.links import Address
from agent.link.research import parse_research
from agent.session.loop import new_event_loop
from agent.session.options import SessionOptions
from agent.session.report import check_report_path

PICTURES_HZ = 10.0
DREAMER_PICTURES_HZ = 30.0
"""Where a game shows nothing but pictures, the dreamer wants one for each of its decisions."""


class PlayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of `play`."""

    game: str = "auto"
    games: int = 1
    policy: str = "pilot"
    weights: Path | None = None
    seconds: float | None = None
    episodes: int | None = None
    seed: int = 0
    report: Path | None = None
    http_port: int | None = None
    http: bool = True
    open_page: bool = True
    lock_step: bool = False
    calibration: Path | None = None
    capture_px: tuple[int, int] = (320, 180)
    config: Path | None = None
    keep_weights: bool = True
    learn: bool = True
    choose: bool = True


class EvaluateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of `evaluate`."""

    policy: str = "kiter"
    game: str = "arena"
    episodes: int = 10
    seed: int = 0
    weights: Path | None = None
    report: Path | None = None
    real_time: bool = False
    calibration: Path | None = None
    capture_px: tuple[int, int] = (320, 180)
    config: Path | None = None


def is_hosted(spec: str) -> bool:
    """True for games that this program hosts itself."""
    return not spec.startswith(("bonklink://", "pipe://", "research://"))


def _settings(request: PlayRequest | EvaluateRequest) -> Settings:
    return load_settings(request.config, os.environ)


def _check(request: PlayRequest) -> None:
    if not 1 <= request.games <= 64:
        raise SettingsError(f"--games {request.games}: between 1 and 64")
    if request.seconds is not None and request.seconds <= 0:
        raise SettingsError(f"--seconds {request.seconds}: must be above 0")
    if request.lock_step and not (is_hosted(request.game) and request.game != "auto"):
        raise SettingsError(f"--lock-step needs a game that is hosted here (arena or gym:ID), not {request.game}")
    if request.report is not None:
        check_report_path(request.report)


def resolve_game(request: PlayRequest, settings: Settings, console: Console) -> str:
    """Turn `auto` into the game that it means, saying so once."""
    from agent.setup.find_game import find_game

    link = settings.link
    if link.use_research_shm:
        if request.game != "auto" and not request.game.startswith("research://"):
            raise SettingsError(f"METABONK_USE_RESEARCH_SHM plays research:// only; unset it for --game {request.game}")
        return "research://" if request.game == "auto" else request.game
    if request.game != "auto":
        return request.game
    if link.use_pipe:
        return f"pipe://{link.pipe_name}"
    if not link.use_bonklink:
        return "arena"
    found = asyncio.run(find_game(link.host, tuple(dict.fromkeys((link.port, 5555)))))
    if found is None:
        console.print(
            f"No game answers at {link.host}:{link.port} or :5555; playing the built-in arena.", highlight=False
        )
        return "arena"
    console.print(f"Playing the game at {found}.", highlight=False)
    return str(found)


def _check_calibration(spec: str, path: Path) -> None:
    """Refuse here what the hosted game's own process would refuse later."""
    if spec != "arena":
        raise SettingsError(f"--calibration {path}: only the arena takes one, not {spec}")
    from agent.games.arena.calibration import load_calibration

    load_calibration(path)


class _Games:
    """The games of a session: hosted ones are child processes that start at once and end with the stack."""

    def __init__(
        self, stack: contextlib.ExitStack, request: PlayRequest, settings: Settings, spec: str, console: Console,
        pictures_hz: float,
    ) -> None:  # fmt: skip
        self.hosts: list[HostedProcess] = []
        self._console = console
        self._fixed: tuple[Address, ...] = ()
        count = request.games
        if request.calibration is not None:
            _check_calibration(spec, request.calibration)
        if not is_hosted(spec):
            first: Address
            if spec.startswith("research://"):
                first = parse_research(spec, os.environ)
            else:
                first = parse_endpoint(spec, default_host=settings.link.host, default_port=settings.link.port)
            self._fixed = tuple(first.numbered(i) for i in range(count))
            self.names = tuple(f"game {i}" for i in range(count)) if count > 1 else ("game",)
            return
        self.names = tuple(f"{spec} {i}" for i in range(count)) if count > 1 else (spec,)
        for i in range(count):
            options = HostOptions(
                spec=spec,
                mode="lock-step" if request.lock_step else "real-time",
                capture_px=request.capture_px,
                frame_hz=pictures_hz,
                seed=request.seed + i,
                calibration=None if request.calibration is None else str(request.calibration),
            )
            self.hosts.append(stack.enter_context(HostedProcess(options)))

    def endpoints(self) -> tuple[Address, ...]:
        """Where the games listen; waits for hosted ones."""
        if self._fixed:
            return self._fixed
        return tuple(Endpoint("127.0.0.1", host.port(on_slow=self._say_slow)) for host in self.hosts)

    def watch(self, loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
        """Call `stop` on the loop where a hosted game's process ends by itself."""

        def ended() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(stop)

        for host in self.hosts:
            host.watch(ended)

    def check(self) -> None:
        """Raise GameError where a hosted game's process ended by itself."""
        for host in self.hosts:
            host.check()

    def _say_slow(self) -> None:
        self._console.print("Waiting for the game; its first start compiles it, which takes about a minute.")


def _open_page(port: int, *, wanted: bool) -> None:
    """Show the page where there is a display to show it on."""
    shown = sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if wanted and shown:
        threading.Thread(target=webbrowser.open, args=(f"http://127.0.0.1:{port}/",), daemon=True).start()


def play_session(request: PlayRequest) -> int:
    """The command `play`; returns the exit code."""
    console = Console(stderr=True)
    _check(request)
    settings = _settings(request)
    spec = resolve_game(request, settings, console)
    token = ""
    if request.http:
        from agent.http.token import default_folder, load_token

        token = load_token(settings.general.http_token.get_secret_value(), default_folder())
    with contextlib.ExitStack() as stack:
        name = served_name(request, settings, console)
        pictures_hz = DREAMER_PICTURES_HZ if name == "dreamer" and is_gymnasium(spec) else PICTURES_HZ
        games = _Games(stack, request, settings, spec, console, pictures_hz)
        from agent.app import build_session
        from agent.control.policies import build_policy
        from agent.learner.outcomes import SHIPPED
        from agent.link.wire import Limits

        check_learner_device(settings)
        policy = build_policy(name, seed=request.seed, weights=request.weights)
        _use_card(policy)
        port = settings.general.http_port if request.http_port is None else request.http_port
        options = SessionOptions(
            endpoints=games.endpoints(),
            names=games.names,
            seconds=request.seconds,
            episodes=request.episodes,
            seed=request.seed,
            report=request.report,
            http_port=port if request.http else None,
            http_token=token,
            limits=Limits(max_frame_bytes=settings.link.max_frame_bytes, max_enemies=settings.link.max_enemies),
            real_time=not (request.lock_step or spec.startswith("research://")),
            game=spec,
            rules=_rules(spec, request.calibration),
            weights_dir=weights_folder(settings) if request.keep_weights else None,
            keep_given_weights=request.weights is not None,
            learn=request.learn,
            wanted=preferences(settings) if request.choose and settings.active_inference.use_active_inference else None,
            shipped_outcomes=SHIPPED if spec == "arena" and request.policy == "pilot" else None,
            budget=learner_budget(settings),
            on_http=lambda bound: _announce(console, bound, wanted=request.open_page),
        )

        async def main() -> dict[str, Any]:
            session = build_session(options, policy, SystemClock(), console=console)
            games.watch(asyncio.get_running_loop(), session.stop)
            return await session.run()

        try:
            with asyncio.Runner(loop_factory=lambda: new_event_loop(options.endpoints)) as runner:
                report = runner.run(main())
        except* AgentError as group:
            raise first_error(group) from group
        games.check()
    _print_end(console, report)
    return 0


def served_name(request: PlayRequest, settings: Settings, console: Console) -> str:
    """The policy that plays: the one asked for, or the dreamer where it is to be served instead of a pilot.

    An evaluation, which keeps no weights, measures the policy that it names.
    """
    if is_user_code(request.policy) or not request.keep_weights:
        return request.policy
    if settings.dreams.served_policy == "dreamer" and "pilot" in request.policy:
        console.print("METABONK_SERVED_POLICY=dreamer: the dreaming actor plays, not the pilot.", highlight=False)
        return "dreamer"
    return request.policy


def weights_folder(settings: Settings) -> Path:
    """Where versions of weights lie."""
    from agent.store.store import default_folder

    given = settings.general.weights_dir
    return Path(given) if given else default_folder()


def check_learner_device(settings: Settings) -> None:
    """Refuse a card that is asked for and not there; raises SettingsError."""
    if settings.dreams.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise SettingsError("METABONK_LEARNER_DEVICE=cuda: torch sees no CUDA card; auto takes one where there is")


def _use_card(policy: Any) -> None:
    """Let four-bit weights decide on a CUDA card where there is one and it is faster."""
    from agent.control.policy import path_of

    if path_of(policy).get("weights") not in ("int4", "nvfp4"):
        return
    import torch

    if torch.cuda.is_available():
        from agent.concurrency.card import Cuda
        from agent.session.captured import move_to_card

        move_to_card(policy, Cuda(torch.device("cuda")), SystemClock().now_s)


def _rules(spec: str, calibration: Path | None) -> str:
    if spec != "arena":
        return ""
    from agent.games.arena.calibration import load_calibration
    from agent.games.arena.game import rules_name

    return rules_name(None if calibration is None else load_calibration(calibration))


def _announce(console: Console, port: int, *, wanted: bool) -> None:
    console.print(f"Watch it at http://127.0.0.1:{port}/", highlight=False)
    _open_page(port, wanted=wanted)


def _print_end(console: Console, report: dict[str, Any]) -> None:
    from agent.session.console import line

    console.print(line(report), soft_wrap=True, highlight=False, markup=False)


def _played_through_the_socket(request: EvaluateRequest) -> PlayRequest:
    """The policy as it is: nothing is learned, no weights are kept, and its cards are its own."""
    return PlayRequest(
        game=request.game,
        policy=request.policy,
        weights=request.weights,
        episodes=request.episodes,
        seed=request.seed,
        report=request.report,
        calibration=request.calibration,
        capture_px=request.capture_px,
        config=request.config,
        open_page=False,
        http_port=0,
        keep_weights=False,
        learn=False,
        choose=False,
    )


def evaluate_policy(request: EvaluateRequest) -> int:
    """The command `evaluate`; returns the exit code."""
    console = Console(stderr=True)
    if request.episodes < 1:
        raise SettingsError(f"--episodes {request.episodes}: at least 1")
    if request.report is not None:
        check_report_path(request.report)
    if request.real_time:
        return play_session(_played_through_the_socket(request))
    if not is_hosted(request.game):
        raise SettingsError(f"--game {request.game}: only hosted games run in lock-step; add --real-time")
    if _settings(request).link.use_research_shm:
        raise SettingsError(
            "METABONK_USE_RESEARCH_SHM plays research:// only; evaluate --real-time --game research://0"
        )
    from agent.control.policies import build_policy
    from agent.games.hosting import build_game
    from agent.session.report import write_report
    from agent.training.evaluate import FRAME_EVERY, evaluate, picture_ticks

    calibration = None if request.calibration is None else str(request.calibration)
    game = build_game(
        HostOptions(
            spec=request.game, capture_px=request.capture_px, seed=request.seed, start="run", calibration=calibration
        )
    )
    policy = build_policy(request.policy, seed=request.seed, weights=request.weights)
    try:
        report = evaluate(
            game,
            policy,
            SystemClock(),
            episodes=request.episodes,
            seed=request.seed,
            frames=is_gymnasium(request.game),
            frame_every=picture_ticks(game) if request.policy == "dreamer" else FRAME_EVERY,
            on_episode=lambda i, r: console.print(
                f"episode {i}: {r.survival_s:.1f} s, {r.kills} kills, level {r.level}, return {r.episode_return:.2f}",
                highlight=False,
            ),
        )
    finally:
        game.close()
    if request.report is not None:
        write_report(request.report, report)
    print(json.dumps(report["statistics"], indent=2))
    return 0


def run_doctor(config: Path | None, game_dir: Path | None = None) -> int:
    """The command `doctor`; 0 where nothing is wrong, 1 where something is."""
    from agent.setup.doctor import diagnose
    from agent.setup.game_folder import find_games, inspect, open_game, steam_folders

    settings = load_settings(config, os.environ)
    games = [open_game(game_dir)] if game_dir is not None else find_games(steam_folders(os.environ, Path.home()))
    findings = asyncio.run(diagnose(settings, SystemClock()))
    for game in games:
        findings += inspect(game, wanted_port=settings.link.port)
    console = Console()
    for finding in findings:
        console.print(finding.line(), highlight=False, markup=False, soft_wrap=True)
    return 1 if any(finding.level == "fault" for finding in findings) else 0
