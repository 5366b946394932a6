"""Whether a command on a page is one that its program accepts: parsed by the program's own parser, not run.

`check` raises Refused for what is not accepted and for programs that nobody taught it here; nothing passes silently.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.util
import inspect
import io
import sys
import tomllib
from collections.abc import Iterator, Sequence
from types import ModuleType
from unittest import mock

import click
from cyclopts.exceptions import CycloptsError
from mkdocs.__main__ import cli as mkdocs_cli

from agent.commands.cli import app
from tests.docs.pages import ROOT, Command

NO_ARGUMENTS = {
    "tools.scripts.settings_table", "tools.scripts.results_pages", "tools.scripts.command_reference",
    "tools.scripts.triton_versions", "agent.games.arena.rules_hash",
}  # fmt: skip
WORDS = {"tools.scripts.csharp": {"install", "check", "build"}, "tools.bootstrap": {"play", "test", "install"}}
OTHER_ENVIRONMENT = {"tools.bench.tmaze_pymdp", "tools.scripts.golden_kernel_formats"}
"""Modules whose imports are not there: only that the file exists is checked."""
PACKAGES = {"rerun-sdk", "inferactively-pymdp"}
"""What pip may be told to install besides the project itself."""


class Refused(Exception):
    """A command that its program would not accept."""


class _Parsed(BaseException):
    """The arguments were accepted."""


def check(command: Command) -> None:
    """Raise Refused where the command is not accepted."""
    words = list(command.words)
    program = words[0].replace("\\", "/")
    if program in ("python", "python3", ".venv/bin/python", ".venv/Scripts/python"):
        if words[1] == "-m":
            _module(words[2], words[3:])
        else:
            _script(words[1], words[2:])
    elif program == "pip":
        _pip(words[1:])
    elif program == "dotnet" and words[1] == "build":
        _exists(words[2])
    elif words not in (["source", ".venv/bin/activate"], [".venv\\Scripts\\activate"]):
        raise Refused("no program that is known here")


def _exists(path: str) -> None:
    if not (ROOT / path).exists():
        raise Refused(f"there is no {path}")


def _module(name: str, arguments: Sequence[str]) -> None:
    if name == "agent":
        _agent(arguments)
    elif name == "mkdocs":
        _mkdocs(arguments)
    elif name == "pytest":
        _pytest(arguments)
    elif name in OTHER_ENVIRONMENT:
        _exists(name.replace(".", "/") + ".py")
    elif name.rpartition(".")[2].isupper():  # a placeholder, as in tools.bench.NAME
        _exists(name.rpartition(".")[0].replace(".", "/") + "/__init__.py")
    elif name in NO_ARGUMENTS:
        if arguments or importlib.util.find_spec(name) is None:
            raise Refused(f"{name} takes no arguments, or is not there")
    elif name.startswith(("tools.", "kernels.")):
        _tool(name, arguments)
    else:
        raise Refused(f"the module {name} is not known here")


def _script(path: str, arguments: Sequence[str]) -> None:
    _exists(path)
    name = path.removesuffix(".py").replace("/", ".")
    if name == "tools.check":
        _pytest([a for a in arguments if a not in ("--fast", "--coverage")])
    elif name.startswith(("tools.", "docs.examples.")):
        _tool(name, arguments)
    else:
        raise Refused(f"the script {path} is not known here")


def _agent(arguments: Sequence[str]) -> None:
    if "--version" in arguments:
        return
    try:
        app.parse_args(list(arguments), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise Refused(str(error)) from error


def _mkdocs(arguments: Sequence[str]) -> None:
    name, *rest = arguments
    try:
        with mkdocs_cli.commands[name].make_context(name, rest):
            pass  # leaving it closes the file that -f opened
    except (KeyError, click.ClickException) as error:
        raise Refused(f"mkdocs {name}: {error}") from error


def _pytest(arguments: Sequence[str]) -> None:
    rest = iter(arguments)
    for word in rest:
        if word in ("-m", "-k"):
            next(rest)
        elif not word.startswith("-"):
            _exists(word.partition("::")[0])
        elif word not in ("-q", "-x"):
            raise Refused(f"pytest {word} is not known here")


def _pip(words: Sequence[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    names = [w for w in words[1:] if w != "-e"]
    for name in names:
        project, _, wanted = name.removesuffix("]").partition("[")
        if project not in (".", "metabonk-apex", *PACKAGES) or (wanted and set(wanted.split(",")) - set(extras)):
            raise Refused(f"pip install {name}: no such extra, or a package that is not known here")
    if words[0] != "install" or not names:
        raise Refused("only pip install is known here")


def _tool(name: str, arguments: Sequence[str]) -> None:
    if name in WORDS:
        if not arguments or arguments[0] not in WORDS[name] or f'"{arguments[0]}"' not in _source(name):
            raise Refused(f"{name} takes one of {', '.join(sorted(WORDS[name]))}")
        if name == "tools.bootstrap" and arguments[0] == "play":
            _agent(arguments)
        return
    module = _imported(name)
    main = module.main
    said = io.StringIO()
    with (
        _stop_after_parsing(),
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(said),
        mock.patch.object(sys, "argv", [name, *arguments]),
    ):
        try:
            main(list(arguments)) if inspect.signature(main).parameters else main()
        except _Parsed:
            return
        except SystemExit as error:
            if error.code in (0, None):
                return
            raise Refused(said.getvalue().strip().splitlines()[-1]) from error
    raise Refused(f"{name} parses no arguments")


@contextlib.contextmanager
def _stop_after_parsing() -> Iterator[None]:
    original = argparse.ArgumentParser.parse_args

    def parse(self: argparse.ArgumentParser, *args: object, **kwargs: object) -> None:
        original(self, *args, **kwargs)  # type: ignore[call-overload]
        raise _Parsed

    with mock.patch.object(argparse.ArgumentParser, "parse_args", parse):
        yield


def _source(name: str) -> str:
    return (ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")


def _imported(name: str) -> ModuleType:
    path = ROOT / name.replace(".", "/")
    path = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    if not path.exists():
        raise Refused(f"there is no {path.relative_to(ROOT)}")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
        raise Refused(f"{name} has no main")
    spec = importlib.util.spec_from_file_location(f"on_a_page_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
