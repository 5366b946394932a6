"""`python -m agent`: the door to the command line."""

from __future__ import annotations

import os
import sys
import threading
from typing import Final

LINGER_S: Final = 2.0
"""How long threads that still work may hold the end of the process."""


def main() -> None:
    """Run the command line and exit with its code."""
    from agent.concurrency.signals import leave_with
    from agent.concurrency.streams import drain, prepare

    prepare()
    from agent.commands.cli import run

    code = run(sys.argv[1:])
    leave_with(code)
    if not _others_ended():
        drain()
        os._exit(code)
    sys.exit(code)


def _others_ended() -> bool:
    """Wait for the threads that the interpreter would wait for without a limit, such as a policy that never answers."""
    from agent.core.clock import SystemClock

    clock = SystemClock()
    until_s = clock.now_s() + LINGER_S
    others = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    for thread in others:
        thread.join(max(0.0, until_s - clock.now_s()))
    return not any(thread.is_alive() for thread in others)


if __name__ == "__main__":
    main()
