"""Where a game listens: a TCP address or a Windows named pipe."""

from __future__ import annotations

import ipaddress
import re

import msgspec

from agent.core.errors import SettingsError

_NAME = re.compile(r"^[A-Za-z0-9_.-]{1,128}$")
DEFAULT_PORT = 5560
PLUGIN_PORT = 5555


class Endpoint(msgspec.Struct, frozen=True):
    """One address; `pipe` is the pipe's bare name and excludes host and port."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    pipe: str | None = None

    @property
    def is_loopback(self) -> bool:
        if self.pipe is not None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def pipe_path(self) -> str:
        """Path of the named pipe as Windows opens it."""
        return rf"\\.\pipe\{self.pipe}"

    def numbered(self, index: int) -> Endpoint:
        """The address of game `index` of a swarm: base port + index, or pipe name and index."""
        if index == 0:
            return self
        if self.pipe is not None:
            return Endpoint(pipe=f"{self.pipe}{index}")
        return Endpoint(self.host, self.port + index)

    def __str__(self) -> str:
        return f"pipe://{self.pipe}" if self.pipe is not None else f"bonklink://{self.host}:{self.port}"


def parse_endpoint(text: str, *, default_host: str = "127.0.0.1", default_port: int = DEFAULT_PORT) -> Endpoint:
    """Read `bonklink://[host][:port]` or `pipe://NAME`.

    Raises SettingsError naming the text, what is wrong with it, and the form expected.
    """
    scheme, _, rest = text.partition("://")
    if scheme == "pipe":
        if not _NAME.match(rest):
            raise SettingsError(f"--game {text}: a pipe is written pipe://NAME with letters, digits, '_', '.', '-'")
        return Endpoint(pipe=rest)
    if scheme != "bonklink":
        raise SettingsError(f"--game {text}: expected bonklink://[host][:port] or pipe://NAME")
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:/]*)(?::([0-9]{1,5}))?/?", rest)
    if match is None:
        raise SettingsError(f"--game {text}: expected bonklink://[host][:port]")
    host = match[1].strip("[]") or default_host
    port = int(match[2]) if match[2] else default_port
    if not 1 <= port <= 65535:
        raise SettingsError(f"--game {text}: port {port} is not between 1 and 65535")
    return Endpoint(host, port)
