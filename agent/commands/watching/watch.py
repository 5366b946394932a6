"""The command `watch`: the session that plays now, in a terminal, or a link by which a browser may steer it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import threading
from dataclasses import dataclass
from typing import Annotated, Any, Final

from rich.console import Console
from rich.live import Live

from agent.commands.options import FLAT
from agent.commands.watching.shown import shown
from agent.core.clock import SystemClock
from agent.core.errors import SettingsError
from agent.core.settings import ConfigOption, Settings, load_settings

EVERY_S: Final = 0.25
PATIENCE_S: Final = 10.0
MAX_ANSWER_BYTES: Final = 16 << 20


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """Which session, and how it is shown."""

    http_port: int | None = None
    """Port of the session's page. Default: METABONK_HTTP_PORT."""
    game: int = 0
    """Which of its games; the first is 0."""
    once: bool = False
    """Show what is so now, and end."""
    link: bool = False
    """Print a link by which one browser may steer the session, open it where there is a display, and end."""


_DEFAULT: Final = WatchOptions()
_CONFIG: Final = ConfigOption()


def watch(options: Annotated[WatchOptions, FLAT] = _DEFAULT, config: Annotated[ConfigOption, FLAT] = _CONFIG) -> int:
    """Watch the session that plays now: who acts, why, the plan, the latency and what happened."""
    settings = load_settings(config.config, os.environ)
    port = settings.general.http_port if options.http_port is None else options.http_port
    with contextlib.closing(_Session(port)) as session:
        if options.link:
            return _link(session, settings)
        console, clock = Console(), SystemClock()
        state = session.state()
        games = len(state["status"]["games"])
        if not 0 <= options.game < games:
            raise SettingsError(f"--game {options.game}: 0 to {games - 1}")
        if not options.once and console.is_terminal:
            return _follow(session, state, options.game, console, clock)
        console.print(shown(state, options.game, console.width))
        return 0


def _follow(session: _Session, state: dict[str, Any], game: int, console: Console, clock: SystemClock) -> int:
    """Show states until interrupted, or until the session ends."""
    pause = threading.Event()
    with Live(shown(state, game, console.width), console=console, auto_refresh=False, screen=True) as live:
        while True:
            began_s = clock.now_s()
            try:
                state = session.state()
            except SettingsError:
                break
            live.update(shown(state, game, console.width), refresh=True)
            pause.wait(max(0.0, began_s + EVERY_S - clock.now_s()))
    console.print(shown(state, game, console.width))
    console.print("The session has ended.")
    return 0


def _link(session: _Session, settings: Settings) -> int:
    """Get a link, say it, and open it where there is a display."""
    from agent.commands.play import open_page
    from agent.http.token import load_token

    token = load_token(settings.general.http_token.get_secret_value())
    told = session.asked("POST", "/api/v1/link", {"Authorization": f"Bearer {token}"})
    address = f"http://127.0.0.1:{session.port}{told['path']}"
    print(address)
    open_page(address)
    return 0


class _Session:
    """The session at a port of this machine, over one connection that is made again where it broke."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def state(self) -> dict[str, Any]:
        """The newest state; raises SettingsError where no session answers."""
        return self.asked("GET", "/api/v1/state", {})

    def asked(self, method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
        """What a request is answered; raises SettingsError with the reason of a refusal."""
        for attempt in range(2):
            try:
                status, body = self._answer(method, path, headers)
                break
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if attempt:
                    why = f"no session answers at port {self.port} ({error}); start one: python -m agent play"
                    raise SettingsError(why) from error
        try:
            found = json.loads(body)
        except ValueError as error:
            raise SettingsError(f"what answers at port {self.port} is no session of this program") from error
        if status != 200 or not isinstance(found, dict):
            reason = found.get("error", f"status {status}") if isinstance(found, dict) else f"status {status}"
            raise SettingsError(f"the session at port {self.port} refuses {path}: {reason}")
        return found

    def _answer(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        body = b"{}" if method == "POST" else None
        self._connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        reply = self._connection.getresponse()
        return reply.status, reply.read(MAX_ANSWER_BYTES)
