"""The C# host as a child process: its first line, its commands, and its BonkLink stream."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from agent.core.types import Action, Packet
from agent.link.wire import PacketDecoder, encode_action
from tools.scripts.csharp import Toolchain


def free_port() -> str:
    """A port for `Network.Port`: the plugin takes 0 for 1, which games that run beside each other would share."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])


class PluginHost:
    """One `host` process; `ask` sends a command and returns its answer."""

    def __init__(self, toolchain: Toolchain, built: Path, *arguments: str, program: str = "host.dll") -> None:
        command = [str(toolchain.dotnet), "exec", str(built / program), *arguments]
        self.process = subprocess.Popen(
            command, env=toolchain.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.hello = self._line()

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        if not text:
            _, errors = self.process.communicate(timeout=240)
            raise AssertionError(f"the host ended with {self.process.returncode}: {errors}")
        return dict(json.loads(text))

    def ask(self, **command: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command or {"get": True}) + "\n")
        self.process.stdin.flush()
        return self._line()

    def set(self, **fields: Any) -> dict[str, Any]:
        return self.ask(set=fields)

    @property
    def port(self) -> int:
        return int(self.hello["listens"].rpartition(":")[2])

    def stop(self) -> str:
        """End the process; returns what it wrote as its log."""
        if self.process.poll() is None:
            try:
                _, errors = self.process.communicate('{"stop": true}\n', timeout=240)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
            assert self.process.returncode == 0, errors
            return errors
        _, errors = self.process.communicate()
        return errors

    def __enter__(self) -> PluginHost:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.process.kill()
            self.process.communicate()
        else:
            self.stop()


class Client:
    """A plain blocking BonkLink client, for tests that look at single packets."""

    def __init__(self, address: int | str) -> None:
        if isinstance(address, int):
            self.socket = socket.create_connection(("127.0.0.1", address))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address)
        self.socket.settimeout(60)  # catches a hang, on a busy machine too
        self.decoder = PacketDecoder()
        self._ready: list[Packet] = []

    def packet(self) -> Packet:
        while not self._ready:
            data = self.socket.recv(1 << 18)
            if not data:
                raise ConnectionError("the host closed the connection")
            self._ready = self.decoder.feed(data)
        return self._ready.pop(0)

    def newest(self, count: int = 4) -> Packet:
        """The packet after `count` more: what it shows was read after this call."""
        for _ in range(count):
            self.packet()
        self._ready.clear()
        return self.packet()

    def frame(self) -> Packet:
        while not (packet := self.packet()).frame:
            pass
        return packet

    def send(self, action: Action) -> None:
        self.socket.sendall(encode_action(action))

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
