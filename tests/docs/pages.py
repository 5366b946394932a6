"""The project's pages, and what stands in them: code blocks, commands, names of files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    p
    for p in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    if p.name != "CHANGELOG.md" and (p.parent != DOCS / "changelog" or p.name == "README.md")
)
SHELLS = ("bash", "console", "sh", "shell", "powershell")
STARTS = ("python ", "python3 ", "pip ", "source ", "dotnet ", ".venv/", ".venv\\")
_FENCE = re.compile(r"^([ \t]*)```([^\n]*)\n(.*?)^\1```[ \t]*$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


class Block(NamedTuple):
    """A fenced block: where it begins, its language, its title, its text."""

    page: Path
    line: int
    language: str
    title: str
    text: str


class Command(NamedTuple):
    """A command as its words, the variables set before it, and where it stands."""

    where: str
    variables: dict[str, str]
    words: tuple[str, ...]

    def __str__(self) -> str:
        return shlex.join(self.words)


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        language, _, rest = match[2].strip().partition(" ")
        title = re.search(r'title="([^"]*)"', rest)
        body = re.sub(rf"^{match[1]}", "", match[3], flags=re.MULTILINE)
        line = text.count("\n", 0, match.start()) + 1
        yield Block(page, line, language, title[1] if title else "", body)


def inline_code(page: Path) -> Iterator[tuple[int, str]]:
    """The line and the text of each piece of inline code."""
    text = _FENCE.sub(lambda m: "\n" * m[0].count("\n"), page.read_text(encoding="utf-8"))
    for number, line in enumerate(text.splitlines(), 1):
        for match in _INLINE.finditer(line):
            yield number, match[1]


def command(where: str, text: str) -> Command:
    """The command of one line; a comment at its end is left out."""
    words = shlex.split(text.replace("\\", "\\\\"), comments=True)
    variables = {}
    while words and re.fullmatch(r"[A-Z][A-Z0-9_]*=.*", words[0]):
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    return Command(where, variables, tuple(words))


def commands() -> Iterator[Command]:
    """Every command of every page."""
    for page in PAGES:
        name = page.relative_to(ROOT)
        for block in blocks(page):
            if block.language in SHELLS:
                for offset, line in enumerate(block.text.replace("\\\n", " ").splitlines(), 1):
                    if line.strip():
                        yield command(f"{name}:{block.line + offset}", line)
        for number, text in inline_code(page):
            if text.startswith(STARTS):
                yield command(f"{name}:{number}", text)
