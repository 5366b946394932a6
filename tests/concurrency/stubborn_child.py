"""A child that does not end by itself: it says its pids on standard error, and then does what its argument says.

helpers: leaves a process behind, and one in a session of its own, both of which keep its pipes open. native: holds the
interpreter in compiled code. stopped: is stopped. ends: as helpers, then ends with code 7. aborts: ends by SIGABRT.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time


def main(how: str) -> None:
    pids = [os.getpid()]
    if how in ("helpers", "ends"):
        for apart in (False, True):
            helper = subprocess.Popen(["sleep", "600"], start_new_session=apart, stdin=subprocess.DEVNULL)
            pids.append(helper.pid)
    print("pids", *pids, file=sys.stderr, flush=True)
    if how == "ends":
        os._exit(7)
    if how == "aborts":
        os.abort()
    if how == "native":
        ctypes.PyDLL(None).pause()
    if how == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(600)


if __name__ == "__main__":
    main(sys.argv[1])
