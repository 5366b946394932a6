"""`quantize`: where the new file goes, and that the gate gets what was asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.commands.cli import run
from agent.training import quantize


@pytest.mark.parametrize(("more", "out"), [((), "w-int4.safetensors"), (("--out", "o.safetensors"), "o.safetensors")])
def test_the_new_file_lies_beside_the_old_one_unless_it_is_named(
    more: tuple[str, ...], out: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(quantize, "quantize", lambda *given, say, **named: asked.append((given, named)))
    assert run(["quantize", "w.safetensors", "--format", "int4", "--seed", "7", *more]) == 0
    assert asked[0][0] == (Path("w.safetensors"), "int4", Path(out)) and asked[0][1]["seed"] == 7
    assert capsys.readouterr().out.strip() == out
