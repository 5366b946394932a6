"""Both desktops offer what the interface asks for."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import agent.games.desktop
from agent.games.desktop.interface import Desktop, Rect

ROOM = Path(agent.games.desktop.__file__).parent


@pytest.mark.parametrize("module, name", [("x11.py", "X11Desktop"), ("windows.py", "WindowsDesktop")])
def test_each_desktop_has_every_method_with_the_same_arguments(module: str, name: str) -> None:
    def methods(tree: ast.AST, of: str) -> dict[str, str]:
        (found,) = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == of]
        return {f.name: ast.unparse(f.args) for f in found.body if isinstance(f, ast.FunctionDef)}

    wanted = methods(ast.parse((ROOM / "interface.py").read_text(encoding="utf-8")), Desktop.__name__)
    there = methods(ast.parse((ROOM / module).read_text(encoding="utf-8")), name)

    assert len(wanted) == 15 and wanted == {k: v for k, v in there.items() if k in wanted}
    assert Rect(1, 2, 3, 4).size_px == (3, 4)
