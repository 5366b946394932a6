"""The command `play`: find or host the games, build the policy, run the session, print what came of it.

Owns the hosted games' processes; the session itself is `agent.app`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from rich.console import Console

from agent.commands.cluster.elsewhere import learner_elsewhere, worker_options
from agent.commands.options import FLAT, PolicyOptions
from agent.commands.players import check_fit, check_sight, name_of, said_of_another, say_start, served_name, with_sight
from agent.commands.recordings.folder import recordings_of
from agent.commands.starting import Starting
from agent.commands.weights import weights_folder
from agent.core import compiled
from agent.core.clock import SystemClock
from agent.core.errors import AgentError, SettingsError, first_error
from agent.core.files import check_output, expand_home
from agent.core.folders import screens_folder
from agent.core.settings import ConfigOption, Settings, load_settings
from agent.games.options import GameOptions, is_gymnasium, is_hosted, is_recorded
from agent.learning.configs import learner_budget, preferences
from agent.session.options import RunOptions

if TYPE_CHECKING:
    from agent.commands.games import Games
    from agent.control.reward import Weights
    from agent.session.options import Cards, MenuOptions, Planning, Recording, SessionOptions, Skills

MAX_GAMES: Final = 64
COMPILED: Final = ("pilot", "kiter", "router", "dreamer")
"""Policies with code that is compiled at its first use."""
WINDOW_S: Final = 600.0
"""Without being asked, this much of a session is kept."""
PICTURES_HZ: Final = 10.0
DREAMER_PICTURES_HZ: Final = 30.0
"""Where a game shows nothing but pictures, the dreamer wants one for each of its decisions."""


@dataclass(frozen=True, kw_only=True)
class PlayOptions(ConfigOption, RunOptions, PolicyOptions, GameOptions):
    """What is played, by whom, for how long, and what is shown of it."""

    game: str = "auto"
    """auto (a game that answers, or the arena), arena, gym:[MODULE:]ID, MODULE:FACTORY (a Gymnasium environment of your
    own), bonklink://HOST:PORT, pipe://NAME, research://N, replay:FOLDER (a recording; actions go nowhere)."""
    games: int = 1
    """How many games at once; with a port they are at PORT, PORT+1, …"""
    http_port: int | None = None
    """Port of the page; 0 picks one. Default: METABONK_HTTP_PORT."""
    http: bool = True
    """Serve the page at all."""
    open_page: bool = True
    """Open the page in a browser where there is a display."""
    fast: bool = False
    """Play a recording as fast as it is answered, instead of at its own pace."""
    lock_step: bool = False
    """Host the game in lock-step instead of real time: it waits for each action."""
    record: bool | None = None
    """Record the whole session, or nothing. Default: its last ten minutes are kept."""
    record_to: Path | None = None
    """Record the whole session into this folder, instead of one of its own in METABONK_RECORDINGS_DIR; without a
    cap."""
    goal: str | None = None
    """What to plan for, in words, such as "reach level 10 with the bow". Default: METABONK_SIMA2_GOAL."""
    learn: bool = True
    """Learn from what is played, where the policy can, and from what workers push; actions are then sampled."""
    learner: str | None = None
    """http://HOST:PORT of a `python -m agent learner` that learns from what is played here instead; its weights act."""


_DEFAULT: Final = PlayOptions()


def play(options: Annotated[PlayOptions, FLAT] = _DEFAULT) -> int:
    """Play a game over its socket, in real time."""
    return play_session(options)


def _checked(options: PlayOptions) -> PlayOptions:
    _ = options.capture_px  # raises where it cannot be read, before anything is started
    if not 1 <= options.games <= MAX_GAMES:
        raise SettingsError(f"--games {options.games}: between 1 and {MAX_GAMES}")
    if options.seconds is not None and options.seconds <= 0:
        raise SettingsError(f"--seconds {options.seconds}: must be above 0")
    if options.episodes is not None and options.episodes < 1:
        raise SettingsError(f"--episodes {options.episodes}: at least 1")
    if options.lock_step and not (is_hosted(options.game) and options.game != "auto"):
        raise SettingsError(
            f"--lock-step needs a game that is hosted here (arena, gym:ID or MODULE:FACTORY), not {options.game}"
        )
    if options.fast and not is_recorded(options.game):
        raise SettingsError(f"--fast needs a recording, --game replay:FOLDER, not {options.game}")
    if options.report is not None:
        check_output("--report", options.report)
    if options.record is False and options.record_to is not None:
        raise SettingsError(f"--no-record and --record-to {options.record_to}: name one of them")
    return with_sight(options, options.weights)


def open_page(address: str) -> bool:
    """Show a page where there is a display to show it on; whether there is one."""
    shown = sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if shown:
        threading.Thread(target=_open, args=(address,), daemon=True).start()
    return shown


def _open(address: str) -> None:
    """Have a process of its own open an address, which then ends: a browser that it starts is no child of play.

    The memory of what play starts is counted with its own (`setup.memory`).
    """
    command = [sys.executable, "-I", "-m", "webbrowser", address]
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def play_session(options: PlayOptions, *, measured: bool = False) -> int:
    """Play until told to stop; returns the exit code.

    measured: the policy plays as it is. Its cards are its own, and no weights are kept or exchanged.
    """
    from agent.commands.games import Games, resolve_game

    console = Console(stderr=True)
    options = _checked(options)
    settings = _settings(options)
    game = resolve_game(options.game, settings, console)
    token = ""
    if options.http:
        from agent.http.token import session_token

        given = settings.general.http_token.get_secret_value()
        token = session_token(given, lambda text: console.print(text, highlight=False, soft_wrap=True))
    elsewhere = learner_elsewhere(options.learner, settings, learns=options.learn and not is_recorded(game))
    with contextlib.ExitStack() as stack:
        asked = name_of(options.policy, options.weights, "pilot")
        name = asked if measured else served_name(asked, settings, console)
        check_sight(name, game)
        beside = {} if measured else _beside(options, settings, game)  # refused before a game starts
        frame_hz = DREAMER_PICTURES_HZ if name == "dreamer" and is_gymnasium(game) else PICTURES_HZ
        cold = compiled.is_cold() and (game == "arena" or name in COMPILED)
        games = Games(stack, options, game, settings, console, frame_hz=frame_hz, one_first=cold)
        starting = stack.enter_context(Starting(console, SystemClock(), compiles=cold, also=games.doing))
        from agent.control.policies import build_policy

        check_learner_device(settings)
        policy = build_policy(name, seed=options.seed, weights=options.weights)
        _use_card(policy, console)
        starting.say("waiting for the game")
        session_options = replace(
            _session_options(options, settings, game, games, console, token=token, measured=measured),
            on_begun=starting.close,
            **beside,
        )
        starting.say(f"preparing {name} to act")
        check_fit(policy, game, games.shown)
        another = said_of_another(policy, game)
        session_options = replace(session_options, learn=options.learn and not another and not is_recorded(game))
        if not another:
            session_options = replace(session_options, **worker_options(elsewhere, policy, stack))
        learns = session_options.learn and not measured
        told = [] if session_options.learner is None else [f"{policy.name} learns at {session_options.learner.address}"]
        say_start(console, [*games.notes, *another, *told], policy, session_options.budget if learns else None)

        report, number = _run(session_options, policy, games, console, opens=options.open_page)
    if session_options.learner is not None:
        session_options = replace(session_options, weights_dir=None)  # it ended with the stack
    code = _say_end(console, report, None if "report_error" in report else options.report, session_options, number)
    if "report_error" in report:
        raise SettingsError(report["report_error"])
    return code


def _run(
    options: SessionOptions, policy: Any, games: Games, console: Console, *, opens: bool
) -> tuple[dict[str, Any], int | None]:
    """Play one session; its report, and the signal that ended it."""
    from agent.app import build_session
    from agent.http.steering.access import Access
    from agent.session.loop import new_event_loop

    async def main() -> tuple[dict[str, Any], int | None]:
        clock = SystemClock()
        access = Access(clock)
        told = replace(options, on_http=lambda port: _announce(console, port, access.link(), wanted=opens))
        parts = games.parts(clock)
        session = build_session(told, policy, clock, console=console, parts=parts, access=access)
        return await session.run(), session.stopping.signal

    try:
        with asyncio.Runner(loop_factory=lambda: new_event_loop(options.endpoints)) as runner:
            return runner.run(main())
    except* AgentError as group:
        raise first_error(group) from group


def _session_options(
    options: PlayOptions, settings: Settings, game: str, games: Games, console: Console, *, token: str, measured: bool
) -> SessionOptions:
    """What the session is told; waits for the games."""
    from agent.commands.games import rules_of
    from agent.learner.outcomes import shipped_for
    from agent.link.wire import Limits
    from agent.session.options import SessionOptions

    port = settings.general.http_port if options.http_port is None else options.http_port
    chooses = settings.active_inference.use_active_inference and not measured
    return SessionOptions(
        endpoints=games.endpoints(),
        names=games.names,
        **{field.name: getattr(options, field.name) for field in fields(RunOptions)},
        http_port=port if options.http else None,
        http_token=token,
        limits=Limits(max_frame_bytes=settings.link.max_frame_bytes, max_enemies=settings.link.max_enemies),
        real_time=not (options.lock_step or options.fast or game.startswith("research://")),
        game=game,
        reward=_reward(settings),
        challenger_share=settings.general.challenger_share,
        rules=rules_of(game, options.calibration),
        weights_dir=None if measured else weights_folder(settings),
        keep_given_weights=options.weights is not None,
        learn=options.learn,
        wanted=preferences(settings) if chooses else None,
        cards=_cards(settings, game) if not measured else None,
        shipped_outcomes=shipped_for(game, options.policy, options.tier),
        budget=learner_budget(settings),
        recording=None if measured else _recording(options, settings),
        safety=settings.planner.safety and not measured,
        auto_merge=settings.llm.auto_merge,
        skills=skills_of(options, settings, game, measured=measured),
        recordings_dir=recordings_of(settings),
        memory_mib=settings.general.memory_mib,
        world=None if measured else world_of(settings),
    )


def world_of(settings: Settings) -> Path | None:
    """The world that is asked how surprising the game is; raises SettingsError, or WeightsError where it is none."""
    if not settings.general.world:
        return None
    from agent.models.pixels.sizes import WORLD_KIND
    from agent.models.sealed import read_manifest

    path = Path(settings.general.world)
    kind = read_manifest(path).kind
    if kind != WORLD_KIND:
        raise SettingsError(f"METABONK_WORLD={path}: holds {kind}, not a world; `world train` makes one")
    return path


def _cards(settings: Settings, game: str) -> Cards | None:
    """How cards are learned about, None where they are not."""
    from agent.session.options import Cards

    if not settings.causal.use_causal or is_gymnasium(game) or is_recorded(game):
        return None
    return Cards(horizon_s=settings.causal.horizon_s, explores=settings.causal.explore)


def _settings(options: PlayOptions) -> Settings:
    """The settings; raises SettingsError, also for a table of rewards that is none."""
    settings = load_settings(options.config, os.environ)
    _reward(settings)
    return settings


def _reward(settings: Settings) -> Weights:
    """The table of rewards; raises SettingsError, also where lessons would be paid by another."""
    from agent.control.reward import SCORE, load_weights

    weights, lessons = load_weights(settings.general.reward_table), settings.dreams.lessons
    if lessons and weights != SCORE:
        raise SettingsError(
            f"METABONK_OFF_POLICY_LESSONS={lessons}: lessons are paid by the table score, play by {weights.name}; "
            "unset one of METABONK_OFF_POLICY_LESSONS and METABONK_REWARD_TABLE"
        )
    return weights


def _planning(options: PlayOptions, settings: Settings, game: str) -> Planning | None:
    """What is planned for, None where nothing plans; raises SettingsError where a goal is named all the same."""
    from agent.planning.backend import llm_config
    from agent.planning.goal import parse_goal
    from agent.session.options import Planning

    off = "" if settings.planner.use_sima2 else "METABONK_USE_SIMA2=0"
    if is_gymnasium(game):
        off = f"{game} has no levels, enemies or menus to plan for"
    if off:
        if options.goal is not None:
            raise SettingsError(f"--goal {parse_goal(options.goal).text!r}: nothing plans here: {off}")
        return None
    goal = parse_goal(settings.planner.goal if options.goal is None else options.goal)
    return Planning(goal=goal, llm=llm_config(settings), logs=settings.planner.log)


def skills_of(options: PlayOptions, settings: Settings, game: str, *, measured: bool) -> Skills:
    """Where skills are, and who begins the arena's runs with what; no folder where none are wanted."""
    from agent.session.options import Skills

    if measured or not settings.planner.use_skills or is_gymnasium(game):
        return Skills(folder=None)
    folder = Path(expand_home(settings.planner.skill_db_path))
    if game != "arena":
        return Skills(folder=folder)
    from agent.games.arena.catalog import load_catalog

    catalog = load_catalog()
    found = next((c for c in catalog.characters if c["name"].lower() == options.character.lower()), None)
    if found is None:  # hosting the game refuses it, with the names that there are
        return Skills(folder=folder)
    weapons = [str(w["title"]) for w in catalog.weapons if w["name"] == found["weapon"]]
    return Skills(folder=folder, character=str(found["name"]), weapons=tuple(weapons))


def _beside(options: PlayOptions, settings: Settings, game: str) -> dict[str, Any]:
    """What plans and goes through menus beside the policy; raises SettingsError."""
    return {"planning": _planning(options, settings, game), "menus": _menus(settings, game)}


def _menus(settings: Settings, game: str) -> MenuOptions | None:
    """How menus are gone through, None where nobody does; raises SettingsError."""
    from agent.planning.backend import vision_server
    from agent.planning.menus.goal import menu_goal
    from agent.planning.menus.words import check_allowed
    from agent.session.options import MenuOptions

    wanted = settings.menus
    goal, allowed = menu_goal(wanted.goal), check_allowed(wanted.allow)
    if not wanted.use_vlm_menu or is_gymnasium(game) or is_recorded(game) or game.startswith("research://"):
        return None
    vlm = vision_server(settings) if wanted.model else None
    return MenuOptions(
        goal=goal, folder=screens_folder(), allowed=allowed, vlm=vlm, timeout_s=settings.llm.timeout_s,
        click_xy=wanted.click_xy,
    )  # fmt: skip


def _recording(options: PlayOptions, settings: Settings) -> Recording | None:
    """Where the session is recorded, and what of it is kept."""
    from agent.journal.keeping import Keep
    from agent.session.options import Recording

    if options.record is False or (is_recorded(options.game) and not options.record and options.record_to is None):
        return None
    is_asked = bool(options.record) or options.record_to is not None
    folder, max_bytes = options.record_to, None
    if folder is None:
        max_bytes = settings.recording.max_mib << 20
        name = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
        folder = recordings_of(settings) / f"{name}-{os.getpid()}"
    keep = Keep(window_s=None if is_asked else WINDOW_S, max_bytes=max_bytes)
    return Recording(folder=folder, keep=keep, is_asked=is_asked, recordings=recordings_of(settings))


def check_learner_device(settings: Settings) -> None:
    """Refuse a card that is asked for and not there; raises SettingsError."""
    if settings.dreams.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise SettingsError("METABONK_LEARNER_DEVICE=cuda: torch sees no CUDA card; auto takes one where there is")


def _use_card(policy: Any, console: Console) -> None:
    """Let weights of four bits be computed by a CUDA card where that works and is faster; else say why not."""
    from agent.control.policy import capabilities_of

    placeable = capabilities_of(policy).placeable
    if placeable is None:
        return

    def place(tensors: Any, chosen: Any) -> Any:
        if not places:  # torch is imported once there are weights of four bits
            from agent.session.captured import OnCard

            def say(text: str) -> None:
                console.print(text, soft_wrap=True, highlight=False, markup=False)

            places.append(OnCard(cuda_card, SystemClock().now_s, say))
        return places[0](tensors, chosen)

    places: list[Any] = []
    placeable.place_by(place)


def cuda_card() -> Any:
    """The CUDA card of this machine, None without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    from agent.concurrency.card import Cuda

    return Cuda(torch.device("cuda"))


def _announce(console: Console, port: int, link: str, *, wanted: bool) -> None:
    """Say where the page is, and open it by a link that works once; where nothing opens it, say the link."""
    address = f"http://127.0.0.1:{port}"
    console.print(f"Watch it at {address}/", highlight=False, soft_wrap=True)
    if not wanted or not open_page(f"{address}{link}"):
        console.print(
            f"To steer it from the page, open this link once: {address}{link}", highlight=False, soft_wrap=True
        )


def _say_end(
    console: Console, report: dict[str, Any], path: Path | None, options: SessionOptions, number: int | None
) -> int:
    """Say what came of it; the exit code: 0 where something was played. `number` is the signal that ended it."""
    from agent.session.console import ended, why_nothing

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    is_played = report["first_action_s"] is not None
    if not is_played and report["ended_by"] == "signal":
        say("Interrupted before anything was played" + ("." if path is None else f"; the report is in {path}."))
        return 128 + (number or signal.SIGINT)
    recording = options.recording.folder if options.recording is not None else None
    for text in ended(report, path, options.weights_dir, recording):
        say(text)
    if not is_played:
        say(f"Nothing was played: {why_nothing(report)}")
    return 0 if is_played else 1
