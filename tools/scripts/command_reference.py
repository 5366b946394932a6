"""Write docs/reference/command-line.md from the commands' own options; a test wants the page as this makes it.

python -m tools.scripts.command_reference
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclopts import App
from cyclopts.argument import Argument

from agent.commands.cli import PROGRAM, app
from agent.core.files import write_atomically
from tools.bench._result_file import ROOT

PAGE = ROOT / "docs" / "reference" / "command-line.md"
HEAD = f"""# Command line

Commands stand after `{PROGRAM}`, or after `metabonk-apex`, which is installed beside it. Without a command it plays.
`--help` after any of them shows what stands here. Bad input is refused in one line, with the nearest known name, and
exit code 2; a failure ends with 1, Ctrl-C with 130.
This page is generated: `python -m tools.scripts.command_reference`.
"""


def commands(node: App = app, chain: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], App]]:
    """Every command that does something, by the words that call it, those of a command after itself."""
    if chain and node.default_command is not None:
        yield chain, node
    for name in node:
        if not name.startswith("-"):
            yield from commands(node[name], (*chain, name))


def options(command: App) -> list[Argument]:
    """The options of a command in the order of its help."""
    return [a for a in command.assemble_argument_collection(parse_docstring=True) if a.show]


def _name(option: Argument) -> str:
    """An option as it is typed: a value that may stand alone, a switch with its opposite, or a name with a value."""
    if option.index is not None:
        return option.name.removeprefix("--").upper()
    if len(option.names) > 1:
        return option.name if option.field_info.default is False else " ".join(option.names)
    choices = option.get_choices()
    if choices:
        return f"{option.name} {'|'.join(choices)}"
    hint = str(getattr(option.hint, "__name__", option.hint)).split(" | ", 1)[0].rpartition(".")[2]
    return f"{option.name} {'TEXT' if hint == 'str' else hint.upper()}"


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def reference() -> str:
    """The page."""
    parts = [HEAD]
    for chain, command in commands():
        parts.append(f"## {' '.join(chain)}\n\n{inspect.cleandoc(command.help)}\n")
        rows = [
            f"| `{_cell(_name(o))}` | {_default(o.field_info.default)} | {_cell(o.parameter.help or '')} |"
            for o in options(command)
        ]
        if rows:
            parts.append("\n".join(["| option | default | what it does |", "|---|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def main(page: Path = PAGE) -> None:
    """Write the page."""
    write_atomically(page, reference())


if __name__ == "__main__":
    main()
