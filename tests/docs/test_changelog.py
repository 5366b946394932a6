"""The changelog and its fragments: their form, and how a release joins them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT
from tools.scripts.changelog import FragmentError, joined, read_fragments

TEXT = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- Old.\n\n## [0.1.0] - 2026-01-01\n\n### Added\n\n- First.\n"


def test_every_fragment_is_well_formed_and_can_be_joined() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    fragments = read_fragments(DOCS / "changelog")
    text = joined(changelog, fragments)
    assert all(" ".join(f.text.split()) in " ".join(text.split()) for f in fragments)


def test_the_changelog_has_the_form_of_keep_a_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert heads[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", head) for head in heads[1:])
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_fragments_are_joined_by_kind_after_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "b.added.md").write_text("New\nthing.\n", "utf-8")
    (tmp_path / "a.fixed.md").write_text("A fault.", "utf-8")
    (tmp_path / "README.md").write_text("# Not a fragment", "utf-8")
    text = joined(TEXT, read_fragments(tmp_path))
    new = "## [Unreleased]\n\n### Added\n\n- Old.\n- New thing.\n\n### Fixed\n\n- A fault.\n\n## [0.1.0]"
    assert new in text and text.endswith("- First.\n")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("change.md", "A.", "name it TOPIC.KIND.md"),
        ("x.improved.md", "A.", "one of added, changed"),
        ("x.added.md", " \n", "write one or two sentences"),
        ("x.added.md", "# Heading", "write one or two sentences"),
        ("x.added.md", "word " * 200, "at most 800"),
    ],
)
def test_a_fragment_without_the_form_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(FragmentError, match=said):
        read_fragments(tmp_path)


def test_a_changelog_without_a_place_for_news_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FragmentError, match="Unreleased"):
        joined("# Changelog\n", [])
