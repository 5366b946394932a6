"""The command `prepare`."""

from __future__ import annotations

from rich.console import Console


def prepare() -> int:
    """Compile what is compiled at first use, so that the first start is as quick as the next; once, about a minute."""
    from agent.setup.prepare import compile_all

    console = Console(stderr=True)
    compile_all(lambda text: console.print(f"compiling {text}", highlight=False))
    return 0
