"""Rules for the whole suite: no network beyond this machine, no pickles, and missing tools fail in CI."""

from __future__ import annotations

import ipaddress
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests import loop_guard, shape_checks


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "pickle.find_class" and not _allowed_pickle():
        raise RuntimeError(f"a pickle was read: {arguments}")
    if event in ("socket.connect", "socket.bind"):
        address = arguments[1]
        if isinstance(address, tuple) and address and not _is_local(str(address[0])):
            raise RuntimeError(f"{event} beyond this machine: {address}")


def _allowed_pickle() -> bool:
    """numba's own cache and multiprocessing read pickles that they wrote."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.startswith(("numba.", "multiprocessing.", "concurrent.")):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _is_local(host: str) -> bool:
    if host in ("localhost", ""):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback


shape_checks.install()
# Where bytecode may not be written, each of the hundred processes that tests start would compile the program anew,
# and pytest would rewrite every assertion of the suite at each start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.addaudithook(_audit)
# A shell makes what it runs beside itself ignore Ctrl-C, and so would every process that tests start and end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("METABONK_WEIGHTS_DIR", tempfile.mkdtemp(prefix="metabonk-weights-"))
os.environ.setdefault("METABONK_RECORDINGS_DIR", tempfile.mkdtemp(prefix="metabonk-recordings-"))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile before the first test, whose time limit is not meant for compilers."""
    if not session.config.option.collectonly and os.environ.get("TRITON_INTERPRET") != "1":  # kernels need none of it
        from agent.setup.prepare import compile_all

        compile_all()


@pytest.fixture(scope="session", autouse=True)
def _watched_loops() -> Iterator[None]:
    guard = loop_guard.install()
    yield
    guard.deactivate()
    assert not loop_guard.found, "\n".join(loop_guard.found)


@pytest.fixture(autouse=True)
def _watched_test() -> Iterator[None]:
    """Shapes are checked anew; what blocked a loop, or failed on one unseen, fails the test in which it shows.

    What shows between two tests fails the later one.
    """
    shape_checks.begin()
    yield
    found, loop_guard.found[:] = list(loop_guard.found), []
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.requires("tool")`: skip without the tool on a laptop, fail in CI."""
    for mark in item.iter_markers("requires"):
        for tool in mark.args:
            if shutil.which(tool) is None:
                message = f"{tool} is not installed"
                if os.environ.get("CI"):
                    pytest.fail(f"{message}; .ci/run must install it")
                pytest.skip(message)
