"""Where numba keeps what it compiled: one folder for each state of the sources.

Numba looks only at the file of the function that it compiled, not at those whose functions are compiled into it: after
an update it would go on with old code. So the folder's name is a hash over all sources that may be compiled.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from agent.core.folders import cache_folder, takes_files, user_cache

VARIABLE: Final = "NUMBA_CACHE_DIR"
SOURCES: Final = Path(__file__).resolve().parents[1]
ROOT: Final = cache_folder() / "compiled"
KEPT: Final = 4
WAIT_S: Final = 0.5
_unusable: Final[list[str]] = []
"""The folder that the user named and that takes no files."""


def folder_for(sources: Path, root: Path) -> Path:
    """The folder that belongs to the sources under `sources`."""
    digest = hashlib.sha256()
    for path in sorted(sources.rglob("*.py")):
        text = path.read_bytes()
        if b"numba" in text:
            digest.update(path.relative_to(sources).as_posix().encode() + b"\0" + text)
    return root / digest.hexdigest()[:16]


def use_own_folder() -> None:
    """Tell numba of the folder, unless the user has named another that takes files; also for children of this process.

    Numba fails where it cannot keep what it compiles.
    """
    given = os.environ.get(VARIABLE)
    if given is None or Path(given).parent == ROOT or not takes_files(Path(given).absolute()):
        _unusable.extend([given] if given is not None and Path(given).parent != ROOT else [])
        folder = folder_for(SOURCES, ROOT)
        os.environ[VARIABLE] = str(folder)
        if "numba" in sys.modules:
            sys.modules["numba"].config.CACHE_DIR = str(folder)


def is_cold() -> bool:
    """True where nothing is compiled yet: a new machine, or an update."""
    folder = Path(os.environ.get(VARIABLE, ROOT))
    return next(folder.rglob("*.nbi"), None) is None


def _whole() -> Path:
    """The file that says that all of these sources has been compiled."""
    folder = Path(os.environ.get(VARIABLE, ROOT)).absolute()
    return folder / f"{folder_for(SOURCES, folder).name}.whole"


def is_whole() -> bool:
    """True where nothing is left to compile of what `alone` guards."""
    return _whole().exists()


@contextlib.contextmanager
def alone(say: Callable[[str], None] = lambda text: None) -> Iterator[None]:
    """A context in which no other process compiles; those that come meanwhile wait, `say` it, and then only load.

    Where these sources have been compiled whole before, and where the folder takes no files, nobody waits.
    """
    done = _whole()
    if done.exists() or not takes_files(done.parent):
        yield
        return
    lock = FileLock(done.parent / "compiling.lock")
    if not _acquired(lock, 0.0):
        say("another process compiles; waiting for it")
        while not _acquired(lock, WAIT_S):  # in turns, so that a signal is heard
            pass
    try:
        yield
        done.touch()
    finally:
        lock.release()


def _acquired(lock: FileLock, timeout_s: float) -> bool:
    with contextlib.suppress(Timeout):
        lock.acquire(timeout=timeout_s)
        return True
    return False


def elsewhere() -> str:
    """One line that says where the compiled code goes when the user's cache takes no files; "" where it does."""
    wanted = Path(_unusable[0]) if _unusable else user_cache()
    if os.environ.get(VARIABLE) is None or Path(os.environ[VARIABLE]).parent != ROOT or takes_files(wanted):
        return ""
    return f"{wanted} takes no files; what is compiled is kept in {ROOT}; set {VARIABLE} to keep it elsewhere."


def forget_old(root: Path = ROOT) -> None:
    """Delete all but the folders that were written last."""
    if root.is_dir():
        for path in sorted(root.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)[KEPT:]:
            shutil.rmtree(path, ignore_errors=True)
