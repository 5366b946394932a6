"""Join the fragments of docs/changelog into the section Unreleased of CHANGELOG.md, and delete them.

    python -m tools.scripts.changelog [--check]

A fragment is a file TOPIC.KIND.md with one or two sentences; docs/changelog/README.md describes it. `--check` changes
nothing and only says whether every fragment is well formed.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

from agent.core.files import write_atomically
from tools.bench._result_file import ROOT

KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")
HEADING = "## [Unreleased]"
MAX_CHARACTERS = 800
_NAME = re.compile(rf"[A-Za-z0-9_-]+\.({'|'.join(KINDS)})\.md")
_SECTION = re.compile(rf"^{re.escape(HEADING)}\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


class FragmentError(Exception):
    """A fragment, or the changelog, that does not have the form; says which and what to do."""


class Fragment(NamedTuple):
    """One change: its kind, and its sentences on one line."""

    path: Path
    kind: str
    text: str


def read_fragments(folder: Path) -> list[Fragment]:
    """All fragments of a folder in the order of their names; raises FragmentError."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.name == "README.md":
            continue
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise FragmentError(f"{path}: name it TOPIC.KIND.md, where KIND is one of {', '.join(KINDS)}")
        text = " ".join(path.read_text(encoding="utf-8").split()).removeprefix("- ")
        if not 0 < len(text) <= MAX_CHARACTERS or "#" in text[:2]:
            raise FragmentError(
                f"{path}: write one or two sentences without a heading, at most {MAX_CHARACTERS} characters"
            )
        found.append(Fragment(path, match[1], text))
    return found


def joined(changelog: str, fragments: list[Fragment]) -> str:
    """The changelog with the fragments in its section Unreleased, after what is there; raises FragmentError."""
    match = _SECTION.search(changelog)
    if match is None:
        raise FragmentError(f"CHANGELOG.md: there is no line '{HEADING}'; add one above the newest release")
    items: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for part in re.split(r"^### ", match[1], flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        items.setdefault(title.strip().lower(), []).append(body.strip("\n"))
    for fragment in fragments:
        wrapped = textwrap.fill(
            fragment.text, 120, initial_indent="- ", subsequent_indent="  ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
        items[fragment.kind].append(wrapped)
    sections = [f"### {kind.capitalize()}\n\n" + "\n".join(texts) + "\n" for kind, texts in items.items() if texts]
    return changelog[: match.start()] + "\n".join([f"{HEADING}\n", *sections, ""]) + changelog[match.end() :]


def main(argv: list[str]) -> int:
    """Join, or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing")
    args = parser.parse_args(argv)
    path = ROOT / "CHANGELOG.md"
    try:
        fragments = read_fragments(ROOT / "docs" / "changelog")
        text = joined(path.read_text(encoding="utf-8"), fragments)
    except FragmentError as error:
        print(error, file=sys.stderr)
        return 2
    if not args.check:
        write_atomically(path, text)
        for fragment in fragments:
            fragment.path.unlink()
    print(f"{len(fragments)} fragments{' are well formed' if args.check else f' joined into {path.name}'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
