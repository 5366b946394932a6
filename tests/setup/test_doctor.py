"""The doctor: each fault has its line and its remedy."""

from __future__ import annotations

import asyncio
import socket
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.core.clock import SystemClock, VirtualClock
from agent.core.settings import GeneralSettings, LinkSettings, LlmSettings, Settings
from agent.link.wire import encode_packet
from agent.setup import doctor
from agent.setup.doctor import (
    Finding,
    check_clock,
    check_game,
    check_gpu,
    check_http_port,
    check_llm,
    check_loop,
    diagnose,
)
from tests.link.game_side import state
from tools.bench.planner.stand_in import StandIn


def test_a_port_that_is_taken_is_a_fault_with_its_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = check_http_port(port)
        assert found.level == "fault" and str(port) in found.what and "--http-port" in found.remedy
    assert check_http_port(port).level == "ok" and check_http_port(0).level == "ok"


def serving(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the doctor finds where a server says `answer` to each client."""

    async def main() -> list[Finding]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            monkeypatch.setattr(doctor, "PLUGIN_PORT", port)
            found = await check_game(Settings(link=LinkSettings(port=port)))
            await asyncio.sleep(0.05)
            return found

    return asyncio.run(main())


def test_a_game_another_program_and_nobody_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [f.level for f in serving(encode_packet(state(1)), monkeypatch)] == ["ok"]
    assert [f.level for f in serving(b"HTTP/1.1 400 Bad Request\r\n\r\n", monkeypatch)] == ["fault"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr(doctor, "PLUGIN_PORT", port)
    found = asyncio.run(check_game(Settings(link=LinkSettings(port=port))))
    assert [f.level for f in found] == ["note"]


@pytest.mark.parametrize(
    ("source", "level"), [("gpu-readback", "ok"), ("read-pixels", "ok"), ("none", "fault"), (None, None)]
)
def test_the_way_in_which_a_running_game_takes_pictures_is_named(
    source: str | None, level: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = state(1)
    assert seen.run is not None
    bits = (None, "gpu-readback", "read-pixels", "none").index(source) << 4
    seen = msgspec.structs.replace(seen, run=msgspec.structs.replace(seen.run, flags_reserved=bits))
    found = serving(encode_packet(seen), monkeypatch)[1:]
    assert [(f.level, f.what) for f in found] == ([] if source is None else [(level, f"pictures: {source}")])


@pytest.mark.parametrize(
    ("backend", "model", "version", "levels"),
    [
        ("builtin", "", "0.17.3", ["ok"]), ("ollama", "", "0.17.3", ["ok"]), ("auto", "tiny", "0.17.3", ["ok", "note"]),
        ("ollama", "other", "0.17.3", ["ok", "fault"]), ("ollama", "", "0.16.9", ["ok", "fault"]),
        ("ollama", "", "", ["ok", "fault"]), ("openai", "tiny", "", ["fault"]),
        ("ollama", "", "none", ["ok", "fault"]), ("auto", "", "none", ["ok", "note", "note"]),
    ],
)  # fmt: skip
def test_a_language_model_that_is_wanted_must_be_there_and_its_server_safe(
    backend: Any, model: str, version: str, levels: list[str]
) -> None:
    async def main() -> list[Finding]:
        async with StandIn() as server:
            server.version = "0.17.3" if version == "none" else version
            server.models = [] if version == "none" else server.models
            llm = LlmSettings(backend=backend, model=model, base_url=f"http://127.0.0.1:{server.port}")
            return await check_llm(Settings(llm=llm))

    found = asyncio.run(main())
    assert [f.level for f in found] == levels and all(f.level == "ok" or f.remedy for f in found)


class LateClock(VirtualClock):
    """Wakes 20 ms late."""

    async def sleep_until(self, deadline_s: float) -> None:
        self._now_s = deadline_s + 0.02


def test_a_slow_loop_and_a_coarse_clock_are_faults() -> None:
    assert asyncio.run(check_loop(LateClock())).level == "fault"
    assert check_clock(0.0156).level == "fault" and check_clock(1e-9).level == "ok"
    assert check_gpu(False).level == "note" and check_gpu(True).level == "ok"


def test_every_finding_is_one_line_and_every_fault_has_a_remedy() -> None:
    async def main() -> Any:
        return await diagnose(Settings(general=GeneralSettings(http_port=0)), SystemClock())

    findings = asyncio.run(main())
    assert len(findings) >= 6
    for finding in findings:
        assert "\n" not in finding.line()
        assert finding.level == "ok" or finding.remedy


def test_every_extra_that_play_training_and_recordings_use_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    others = {"plots", "kernels", "docs", "test"}  # of this project's own tools, and of cards
    said = [finding.what for finding in doctor.check_extras()]
    assert {what.split()[1] for what in said} == set(project["optional-dependencies"]) - others
