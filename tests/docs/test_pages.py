"""The pages: the site builds without a warning, generated pages are as their sources, code and names are right."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from agent.core.settings import env_name, fields, settings_table
from agent.core.types import RunInfo
from agent.link.wire import _encode_run
from tests.docs.pages import DOCS, PAGES, ROOT, SHELLS, blocks, inline_code
from tools.scripts import results_pages

README_BYTES, ARCHITECTURE_LINES, EXAMPLE_LINES = 8000, 60, 15
FOLDERS = ("agent", "docs", "kernels", "mods", "plugins", "tests", "tools")
NOT_IN_THE_TREE = ("docs/results/parts",)
LANGUAGES = (*SHELLS, "python", "toml", "json")
PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b|[*<>…]")


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_no_other_host(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(DOCS / "mkdocs.yml"), "-d", str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "DISABLE_MKDOCS_2_WARNING": "true"}
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    loaded = re.findall(r'<(?:script|img|link|iframe)[^>]+(?:src|href)="?(https?://[^">\s]+)', page)
    assert not [url for url in loaded if "127.0.0.1" not in url]


def test_the_settings_page_has_the_settings_as_they_are() -> None:
    assert settings_table() in (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")


def test_the_pages_of_results_are_as_the_result_files_say() -> None:
    for name, text in results_pages.pages().items():
        found = (DOCS / "results" / name).read_text(encoding="utf-8")
        assert found == text, f"docs/results/{name}: run python -m tools.scripts.results_pages"


def test_a_result_page_says_what_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "pages.toml").write_text('[a]\npage = "play"\n[a.figures]\n"x" = "{b > 0 > c.d | .1f} s"\n', "utf-8")
    (tmp_path / "a.json").write_text('{"b": [{"c.d": 2.25}]}', "utf-8")
    (tmp_path / "new.json").write_text('{"benchmark": "n", "speed": {"p50_ms": 0.123456}}', "utf-8")
    pages = results_pages.pages(tmp_path)
    assert "| x | 2.2 s |" in pages["play.md"]
    assert "| speed, p50_ms | 0.1235 |" in pages["more.md"]
    (tmp_path / "a.json").write_text('{"b": []}', "utf-8")
    with pytest.raises(SystemExit, match=r"\[a\]: b > 0 > c\.d: there is no '0'"):
        results_pages.pages(tmp_path)


def test_the_front_door_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= README_BYTES
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= ARCHITECTURE_LINES


def test_the_map_names_every_room_from_the_top_layer_down() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = config["tool"]["importlinter"]["contracts"][0]["layers"]
    depth = {name: at for at, layer in enumerate(layers) for name in re.findall(r"[\w.]+", layer)}
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    paths = re.findall(r"^\| `(agent/[a-z]+|kernels)(?:/|\.py)`", text, re.M)
    rooms = [path.replace("/", ".") for path in paths]
    assert set(rooms) == set(depth) - {"agent.__main__"}
    assert rooms == sorted(rooms, key=depth.__getitem__)


def test_the_wire_s_page_has_every_field_of_blx1() -> None:
    run = RunInfo(0, 0, (0, 0), (0, 0), False, False, False, 0, 0, 0, 0, 0, 0, 0, 0, frame_time_us=1)
    row = re.search(r"^\| `BLX1` \| u32 size; (.*)", (DOCS / "reference" / "wire.md").read_text(encoding="utf-8"), re.M)
    fields = re.findall(r"(?:(\d+) × )?[uif](\d+) ", row[1] if row else "")
    assert sum(int(count or 1) * int(bits) // 8 for count, bits in fields) == len(_encode_run(run)) - 8


def test_code_on_a_page_is_python_and_is_the_example_that_it_names() -> None:
    titled = set()
    for block in (b for page in PAGES for b in blocks(page)):
        assert block.language in LANGUAGES, f"{block.page}:{block.line}: name the language, one of {LANGUAGES}"
        if block.language == "python":
            ast.parse(block.text)
        if block.title:
            titled.add(block.title)
            example = (ROOT / block.title).read_text(encoding="utf-8")
            assert block.text == example, f"{block.page}:{block.line} is not {block.title}"
    assert titled == {"docs/examples/own_policy.py", "docs/examples/own_game.py"}


def test_every_figure_of_the_model_card_is_of_the_bench_of_tiers() -> None:
    result = json.loads((DOCS / "results" / "tiers.json").read_text(encoding="utf-8"))
    tiers = [result[f"tier {tier}"] for tier in (1, 2, 3)]
    card = (DOCS / "guide" / "training.md").read_text(encoding="utf-8")
    card = card.partition("## The shipped pilot\n")[2].partition("\n## ")[0]
    card = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", card, flags=re.DOTALL)
    said = []
    for label, player in (
        ("**pilot**", "pilot"),
        ("pilot of 0.1.0", "pilot-0.1.0"),
        *[(p, p) for p in ("router", "kiter")],
    ):
        found = [tier[player] for tier in tiers]
        cells = [
            f"{p['wins']} of {p['runs']}; {s['mean']:,.0f} s ({s['mean_low']:,.0f}–{s['mean_high']:,.0f})"
            for p in found
            for s in [p["score_s"]]
        ]
        said.append(f"| {label} | {' | '.join(cells)} |")
    for name in tiers[0]["pilot"]["win_share_by_character"]:
        shares = [[t[p]["win_share_by_character"][name] for p in ("pilot", "pilot-0.1.0")] for t in tiers]
        said.append(f"| {name} | {' | '.join(f'{new:.0%}, {old:.0%}' for new, old in shares)} |")
    for won in (tier["first"]["won minus pilot-0.1.0"] for tier in tiers):
        said.append(f"{won['value']:+.0%} ({won['low']:+.0%} to {won['high']:+.0%})")
    more = json.loads((DOCS / "results" / "pilot_tier_1.json").read_text(encoding="utf-8"))["tier 1"]["pilot"]
    mean = more["score_s"]
    said.append(f"{more['wins']} of {more['runs']} won, {mean['mean']:,.0f} s ({mean['mean_low']:,.0f}–")
    said.append(f"{mean['mean_high']:,.0f}). The aim")
    for name, c in more["by_character"].items():
        said.append(f"| {name} | {c['wins']} of {c['runs']}; {c['share']:.1%} ({c['low']:.1%}–{c['high']:.1%}) |")
    for text in said:
        assert card.count(text) == 1, text
        card = card.replace(text, "")
    others = {number.rstrip(".,") for number in re.findall(r"\d[\d,.]*", card)}
    assert others <= {"0.1.0", "1", "2", "3", "1,200", str(result["each"]), str(result["seed"])}


@pytest.mark.parametrize("name", ["own_policy", "own_game"])
def test_a_policy_and_a_game_of_ones_own_are_short(name: str) -> None:
    text = (DOCS / "examples" / f"{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    after_docstring = "\n".join(text.splitlines()[tree.body[0].end_lineno :])
    assert len([line for line in after_docstring.splitlines() if line.strip()]) <= EXAMPLE_LINES


def test_every_file_that_a_page_names_exists() -> None:
    missing = []
    for page in PAGES:
        for number, text in inline_code(page):
            first = text.split()[0].strip("`").split(":")[0]
            if first.split("/")[0] not in FOLDERS or "/" not in first or first.startswith(NOT_IN_THE_TREE):
                continue
            path = first
            while PLACEHOLDER.search(Path(path).name) and Path(path).suffix != ".md":
                path = str(Path(path).parent)
            if not (ROOT / path).exists():
                missing.append(f"{page.relative_to(ROOT)}:{number}: {first}")
    assert not missing


def test_every_link_of_the_pages_beside_the_site_leads_to_a_file() -> None:
    missing = []
    for page in (p for p in PAGES if p.parent == ROOT):
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http") and not (page.parent / target.partition("#")[0]).exists():
                missing.append(f"{page.name}: {target}")
    assert not missing


def test_every_setting_that_a_page_names_exists() -> None:
    known = {env_name(field) for _, _, field in fields()}
    unknown = []
    for page in PAGES:
        for name in re.findall(r"METABONK_[A-Z0-9_]+", page.read_text(encoding="utf-8")):
            if name not in known and not (name.endswith("_") and any(k.startswith(name) for k in known)):
                unknown.append(f"{page.relative_to(ROOT)}: {name}")
    assert not unknown


def test_every_module_and_name_of_the_program_that_a_page_names_exists() -> None:
    rooms = {p.name for p in (ROOT / "agent").iterdir() if p.is_dir()}
    sources = [p for f in FOLDERS if f != "docs" for s in ("*.py", "*.cs") for p in (ROOT / f).rglob(s)]
    words = set(re.findall(r"\w+", "\n".join(p.read_text(encoding="utf-8") for p in sources)))
    missing = []
    for page in (p for p in PAGES if p.parent.name in ("internals", "develop") or p.parent == ROOT):
        for number, text in inline_code(page):
            parts = re.split(r"\.", re.sub(r"\(.*", "", text))
            dotted = len(parts) > 1 and parts[0] in rooms and all(p.isidentifier() for p in parts)
            ours = re.fullmatch(r"[A-Z][a-z]\w*[A-Z]\w*|[a-z]+(_[a-z]+)+", parts[0])
            if not _is_name(parts) if dotted else ours and parts[0] not in words:
                missing.append(f"{page.relative_to(ROOT)}:{number}: {text}")
    assert not missing


def _is_name(parts: list[str]) -> bool:
    """True for `room.module` and for `room.module.Name` of agent."""
    for length in range(len(parts), 0, -1):
        path = ROOT / "agent" / Path(*parts[:length])
        if path.with_suffix(".py").is_file() or path.is_dir():
            source = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
            rest = parts[length:]
            return not rest or (source.is_file() and rest[0] in source.read_text(encoding="utf-8"))
    return False
