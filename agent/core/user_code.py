"""Code that the user wrote: found as MODULE:FACTORY, and what it raises is named with file and line.

Modules are looked for where Python looks, and in the current folder. Owns nothing.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from agent.core.errors import UserCodeError
from agent.core.suggest import did_you_mean

ADDRESSES: Final = ("bonklink", "pipe", "research")


def is_user_code(spec: str) -> bool:
    """True for what is written as MODULE:FACTORY; addresses (`bonklink://…`), `gym:ID`, `replay:FILE`, `dream:FILE`
    and `desktop:WINDOW` are not."""
    return ":" in spec and "://" not in spec and not spec.startswith(("gym:", "replay:", "dream:", "desktop:"))


class Calling:
    """A context in which the user's code runs: what it raises becomes a UserCodeError of one line.

    where: the option and its value, such as `--policy my_policy:Walker`. what: what is called, such as `act`.
    """

    def __init__(self, where: str, what: str) -> None:
        self._where, self._what = where, what

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, UserCodeError):
            raise UserCodeError(f"{self._where}: {self._what} raised {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}{f': {text}' if text else ''}{_place(error)}"


def _place(error: Exception) -> str:
    """File and line of the innermost frame that is the user's: neither ours, nor a library's."""
    if isinstance(error, SyntaxError):
        return f" ({error.filename}:{error.lineno})"
    ours, libraries = str(Path(__file__).resolve().parents[1]), (sys.prefix, sys.base_prefix, "<")
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith((ours, *libraries)):
            return f" ({frame.filename}:{frame.lineno})"
    return ""


def load_factory(where: str, spec: str) -> Callable[..., Any]:
    """The class or function that MODULE:FACTORY names; raises UserCodeError saying what is missing.

    where: the option, such as `--policy`.
    """
    where = f"{where} {spec}"
    module_name, _, name = spec.partition(":")
    if module_name in ADDRESSES:
        raise UserCodeError(f"{where}: an address is written {module_name}://…")
    if not (module_name and name and all(part.isidentifier() for part in (*module_name.split("."), name))):
        raise UserCodeError(f"{where}: write MODULE:FACTORY as Python imports it, such as my_code:MyClass")
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.append(str(Path.cwd()))
    importlib.invalidate_caches()
    try:
        with Calling(where, f"import {module_name}"):
            module = importlib.import_module(module_name)
    except UserCodeError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and module_name.startswith(cause.name or "\0"):
            raise UserCodeError(f"{where}: {_no_module(module_name)}") from cause
        raise
    found = getattr(module, name, None)
    if found is None:
        public = [n for n in vars(module) if not n.startswith("_")]
        raise UserCodeError(f"{where}: {module_name} ({module.__file__}) has no {name}{did_you_mean(name, public)}")
    if not callable(found):
        raise UserCodeError(f"{where}: {name} is a {type(found).__name__}; a class or a function is needed")
    return found  # type: ignore[no-any-return]


def _no_module(name: str) -> str:
    stem = name.removesuffix(".py")
    here = [path.stem for path in Path.cwd().glob("*.py")]
    hint = f"; write {stem}, without .py" if stem != name and stem in here else did_you_mean(name, here)
    return f"there is no module {name}, neither installed nor in {Path.cwd()}{hint}"
