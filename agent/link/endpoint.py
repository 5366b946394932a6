"""Where a game listens: a TCP address or a Windows named pipe."""

from __future__ import annotations

import ipaddress
import re

import msgspec

from agent.core.errors import SettingsError
from agent.core.settings import plain_host

_NAME = re.compile(r"^[A-Za-z0-9_.-]{1,128}$")
DEFAULT_PORT = 5560
PLUGIN_PORT = 5555
MAX_PORT = 65535


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
        if self.port + index > MAX_PORT:
            raise SettingsError(
                f"{self}: game {index} of several would be at port {self.port + index}, above {MAX_PORT}"
            )
        return Endpoint(self.host, self.port + index)

    def __str__(self) -> str:
        if self.pipe is not None:
            return f"pipe://{self.pipe}"
        return f"bonklink://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


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
    match = re.fullmatch(r"(\[[^\[\]]*\]|[^:/\[\]]*)(?::([0-9]{1,9}))?/?", rest)
    if match is None:
        hint = "; an IPv6 address stands in brackets, as in bonklink://[::1]:5560" if rest.count(":") > 1 else ""
        raise SettingsError(f"--game {text}: expected bonklink://[host][:port]{hint}")
    try:
        host = plain_host(match[1] or default_host)
    except ValueError as error:
        raise SettingsError(f"--game {text}: {error}") from error
    port = int(match[2]) if match[2] else default_port
    if not 1 <= port <= MAX_PORT:
        raise SettingsError(f"--game {text}: port {port} is not between 1 and {MAX_PORT}")
    return Endpoint(host, port)
