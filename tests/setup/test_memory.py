"""What the operating system says of the processes of a session, by role."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agent.core.clock import SystemClock
from agent.setup.memory import GAME, MOTOR, NAVIGATOR, PLANNER, RECORDER, TRAINER, Meter, role_of


@pytest.mark.parametrize(
    ("command", "role"),
    [
        (["python", "-m", "agent.learner.process"], TRAINER),
        (["python", "reaper.py", "agent.games.hosting", "{}"], GAME),
        (["python", "-m", "agent.planning.llm_child"], PLANNER),
        (["python", "-m", "agent.planning.screen.reader_child"], NAVIGATOR),
        (["python", "-m", "agent", "clip", "/a", "--mp4"], RECORDER),
        (["python", "-m", "agent.http.decode_child"], MOTOR),
        (["game.exe"], GAME),
    ],
)
def test_a_process_is_known_by_its_module_and_a_helper_by_its_parent(command: list[str], role: str) -> None:
    assert role_of(command, GAME if command == ["game.exe"] else MOTOR) == role


def test_a_meter_sees_the_memory_and_the_work_of_a_child() -> None:
    code = "data = bytearray(64 << 20); data[::4096] = b'x' * (len(data) // 4096); print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code, "agent.learner.process"], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            meter, clock = Meter(), SystemClock()
            begun_s = clock.now_s()
            first = meter.look(begun_s, None)
            while (second := meter.look(clock.now_s(), begun_s))[TRAINER].cores == 0.0 and clock.now_s() < begun_s + 60:
                pass
        finally:
            child.kill()
    assert first[TRAINER].mib > 64 and first[TRAINER].cores == 0.0 and first[MOTOR].mib > 10
    assert second[TRAINER].cores > 0.0
