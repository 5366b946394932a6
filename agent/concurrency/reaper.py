"""The process above a child: no process that the child started outlives it, and the child does not outlive its parent.

Run by its path, with the child's module and arguments, so that nothing but the standard library is loaded: it forks,
the fork runs the module with the pipes, and this process waits. When the child ends, all that it left behind is killed,
also what made a session of its own (on Linux, as their subreaper), and its exit code is passed on. When the parent ends
or closes the child's standard input, the child has GRACE_S to end, then it is killed: also where compiled code holds
the interpreter, or where the child is stopped. A child whose reaper is killed dies with it (Linux).

Never imported by the program; on Windows the module is run without it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from typing import Any, Final

GRACE_S: Final = 5.0
KILL_NOW: Final = signal.SIGUSR1
"""What the parent sends to the reaper of a child that takes too long."""
MAX_LOOKS: Final = 200
"""Looks for what a child left; there are 10 ms between those that find nothing that has ended."""
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36


def prctl(option: int, value: int) -> None:
    """Linux's prctl; does nothing elsewhere."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def main(argv: list[str]) -> None:
    """Fork; run `argv` (a module and its arguments) in the fork and watch it here. Never returns here."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    above = os.getpid()
    child = os.fork()
    if child == 0:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != above:
            os._exit(1)
        os.setpgid(0, 0)
        _run(argv)
        return
    with contextlib.suppress(OSError):
        os.setpgid(child, child)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: _send(child, number))
    for number in (KILL_NOW, signal.SIGALRM):
        signal.signal(number, lambda number, frame: _send(child, signal.SIGKILL))
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(nothing, descriptor)  # the child alone holds the pipes that its parent reads
    _leave_as(_watch(child))


def _run(argv: list[str]) -> None:
    """Be `python -m MODULE ARGUMENTS` from here on."""
    import runpy

    sys.path[0] = os.getcwd()
    sys.argv = list(argv)
    runpy.run_module(argv[0], run_name="__main__", alter_sys=True)


def _watch(child: int) -> int:
    """Wait for the child's end, at most GRACE_S after its parent's; kill what it left. Returns its wait status."""
    told, wake = os.pipe()
    for descriptor in (told, wake):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    events = select.poll()
    events.register(told, select.POLLIN)
    events.register(0, 0)  # nothing but its end
    while (status := _reaped(child)) is None:
        for descriptor, _ in events.poll():
            if descriptor == told:
                os.read(told, 4096)
            else:
                events.unregister(0)
                signal.setitimer(signal.ITIMER_REAL, GRACE_S, 1.0)
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    _kill_children()
    return status


def _reaped(child: int) -> int | None:
    """Take the ends of all processes below; the child's wait status where it is among them."""
    with contextlib.suppress(ChildProcessError):
        while True:
            ended, status = os.waitpid(-1, os.WNOHANG)
            if ended == child:
                return status
            if ended == 0:
                break
    return None


def _kill_children() -> None:
    """Kill what is left below this process, as orphans come up to it, until nothing is left."""
    with contextlib.suppress(OSError):  # ECHILD: nothing is left
        for _ in range(MAX_LOOKS):
            for pid in _children():
                _send(pid, signal.SIGKILL)
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                select.select([], [], [], 0.01)


def _children() -> list[int]:
    """Processes whose parent is this one; none where there is no /proc."""
    found, mine = [], os.getpid()
    with contextlib.suppress(OSError):
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError, IndexError, ValueError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - pathlib is not loaded
                if int(file.read().rpartition(b")")[2].split()[1]) == mine:
                    found.append(int(name))
    return found


def _send(pid: int, number: Any) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, number)


def _leave_as(status: int) -> None:
    """End as the child did: with its code, or by its signal, without a second core file."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError, ValueError):  # SIGKILL has no handler to take away
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code & 0xFF if code >= 0 else 128 - code)


if __name__ == "__main__":
    main(sys.argv[1:])
