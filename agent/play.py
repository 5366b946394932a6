"""What the commands do: find or host the games, build the policy, run the session, print what came of it.

Owns the hosted games' processes; the session itself is `agent.app`'s.
"""

from __future__ import annotations

import contextlib
import os
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncio

import msgspec
from rich.console import Console

from agent.core.clock import SystemClock
from agent.core.errors import SettingsError
from agent.core.settings import Settings, load_settings
from agent.link.endpoint import Endpoint, parse_endpoint
from agent.runtime.report import check_report_path


class PlayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of `play`."""

    game: str = "auto"
    games: int = 1
    policy: str = "kiter"
    weights: Path | None = None
    seconds: float | None = None
    episodes: int | None = None
    seed: int = 0
    report: Path | None = None
    http_port: int | None = None
    http: bool = True
    open_page: bool = True
    lock_step: bool = False
    capture_px: tuple[int, int] = (320, 180)
    config: Path | None = None


class EvaluateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of `evaluate`."""

    policy: str = "kiter"
    game: str = "arena"
    episodes: int = 10
    seed: int = 0
    weights: Path | None = None
    report: Path | None = None
    real_time: bool = False
    capture_px: tuple[int, int] = (320, 180)
    config: Path | None = None


def is_hosted(spec: str) -> bool:
    """True for games that this program hosts itself."""
    return not spec.startswith(("bonklink://", "pipe://"))


def _settings(request: PlayRequest | EvaluateRequest) -> Settings:
    return load_settings(request.config, os.environ, {})


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
    from agent.runtime.find_game import find_game

    link = settings.link
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


@contextlib.contextmanager
def open_games(
    request: PlayRequest, settings: Settings, spec: str
) -> Iterator[tuple[tuple[Endpoint, ...], tuple[str, ...]]]:
    """Host the games, or name the ones that run elsewhere; hosted ones end with the context."""
    if not is_hosted(spec):
        first = parse_endpoint(spec, default_host=settings.link.host, default_port=settings.link.port)
        endpoints = tuple(first.numbered(i) for i in range(request.games))
        yield endpoints, tuple(f"game {i}" for i in range(request.games))
        return
    from agent.games.hosting import HostedProcess, HostOptions

    with contextlib.ExitStack() as stack:
        hosts = []
        for i in range(request.games):
            options = HostOptions(
                spec=spec,
                port=0,
                mode="lock-step" if request.lock_step else "real-time",
                capture_px=request.capture_px,
                seed=request.seed + i,
            )
            hosts.append(stack.enter_context(HostedProcess(options)))
        yield (
            _Ports(hosts),  # type: ignore[misc]
            tuple(f"{spec} {i}" if request.games > 1 else spec for i in range(request.games)),
        )
