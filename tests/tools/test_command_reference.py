"""The page of the command line is as the commands are."""

from __future__ import annotations

from pathlib import Path

from tools.scripts.command_reference import PAGE, commands, main, options, reference


def test_the_page_is_as_the_commands_are() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run python -m tools.scripts.command_reference"


def test_every_command_and_every_option_is_on_the_page(tmp_path: Path) -> None:
    main(tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page.count("\n## ") == len(list(commands())) == 47
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) == sum(len(options(command)) for _, command in commands()) > 60
    assert "| `--mode real-time\\|lock-step\\|fast` | `real-time` |" in page and "| `--steps INT` | required |" in page
    assert "| `GAME` | `arena` |" in page and "| `--http --no-http` | on |" in page and "| `--dry-run` | off |" in page
    assert all(row.count(" | ") == 2 and not row.endswith("|  |") for row in rows)
