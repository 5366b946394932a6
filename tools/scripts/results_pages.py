"""Write the pages of results, docs/results/*.md, from docs/results/*.json and docs/results/pages.toml.

    python -m tools.scripts.results_pages

`pages.toml` says for each file what was measured, the command and the figures. A file without an entry there stands on
the page `more` with its plain values. A test compares the pages with what this script would write.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.core.files import write_atomically
from tools.bench._result_file import ROOT

RESULTS = ROOT / "docs" / "results"
TITLES = {"play": "Playing", "learning": "Learning", "kernels": "Kernels", "more": "More results"}
MAX_PLAIN_VALUES = 24
_PLACE = re.compile(r"\{([^{}|]+?)(?:\|([^{}]*))?\}")
_WRITTEN = "<!-- Written by python -m tools.scripts.results_pages; do not edit. -->\n"


def value_at(result: Any, path: str) -> Any:
    """The value under the keys of `A > B > 0`; raises KeyError with the path where there is none."""
    found = result
    for key in (part.strip() for part in path.split(" > ")):
        try:
            found = found[int(key)] if isinstance(found, list) else found[key]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise KeyError(f"{path.strip()}: there is no {key!r}") from error
    return found


def filled(text: str, result: Any) -> str:
    """The text with each {A > B | FORMAT} replaced by that value of the result."""
    return _PLACE.sub(lambda m: format(value_at(result, m[1]), (m[2] or "").strip()), text)


def plain_figures(result: Any, label: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Labels and values of the numbers and words in a result, three levels deep."""
    if isinstance(result, dict) and depth < 4:
        for key, value in result.items():
            if depth or key not in ("benchmark", "utc", "machine", "commit", "torch", "command", "rules"):
                yield from plain_figures(value, f"{label}, {key}" if label else key, depth + 1)
    elif isinstance(result, bool | int | str) or result is None:
        yield label, str(result)
    elif isinstance(result, float):
        yield label, f"{result:.4g}"


def figures_of(name: str, entry: dict[str, Any], result: Any) -> list[tuple[str, str]]:
    """Label and text of each figure of a result file; raises SystemExit naming what does not fit."""
    if not entry:
        return list(plain_figures(result))[:MAX_PLAIN_VALUES]
    try:
        return [(label, filled(text, result)) for label, text in entry["figures"].items()]
    except (KeyError, ValueError) as error:
        raise SystemExit(f"{RESULTS / 'pages.toml'}, [{name}]: {error.args[0]}") from error


def machine_of(result: dict[str, Any]) -> str:
    """The machine in words."""
    machine = result.get("machine", {})
    return f"{machine.get('cores', '?')} cores of {machine.get('processor', '?')}, {machine.get('system', '?')}"


def section(name: str, entry: dict[str, Any], result: dict[str, Any]) -> str:
    """One result as Markdown."""
    date = str(result.get("utc", ""))[:10]
    command = entry.get("command") or result.get("command", "")
    lines = [f"## {name}", "", entry.get("about", str(result.get("benchmark", name))), ""]
    lines += ["| what | figure |", "|---|---|"]
    lines += [f"| {label} | {text} |".replace("\n", " ") for label, text in figures_of(name, entry, result)]
    commit = f" at commit `{result['commit']}`" if result.get("commit") else ""
    lines += ["", f"Measured on {date}{commit}, {machine_of(result)}. File: `docs/results/{name}.json`.", ""]
    if command:
        lines += ["```bash", command, "```", ""]
    return "\n".join(lines)


def index(results: dict[str, dict[str, Any]], entries: dict[str, dict[str, Any]]) -> str:
    """The overview of all results."""
    lines = [
        _WRITTEN,
        "# Results",
        "",
        "Each result has a file, a command and a date. The figures are from two cores without a graphics card.",
        "Numbers depend on the machine, so compare only what was measured on one machine in one run.",
        "",
        "| result | first figure | date |",
        "|---|---|---|",
    ]
    for name, result in results.items():
        entry = entries.get(name, {})
        page = entry.get("page", "more")
        label, text = (figures_of(name, entry, result) or [("", "")])[0]
        lines.append(f"| [{name}]({page}.md#{name}) | {label}: {text} | {str(result.get('utc', ''))[:10]} |")
    return "\n".join(lines) + "\n"


def pages(folder: Path = RESULTS) -> dict[str, str]:
    """The text of each page by its file's name."""
    entries: dict[str, dict[str, Any]] = tomllib.loads((folder / "pages.toml").read_text(encoding="utf-8"))
    results = {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*.json"))}
    gone = sorted(set(entries) - set(results))
    if gone:
        raise SystemExit(f"{folder / 'pages.toml'}: there is no result file for {', '.join(gone)}")
    order = [*(n for n in entries), *(n for n in results if n not in entries)]
    results = {name: results[name] for name in order}
    written = {"index.md": index(results, entries)}
    for page, title in TITLES.items():
        sections = [section(n, entries.get(n, {}), r) for n, r in results.items() if _page(entries, n) == page]
        text = "\n".join(sections) or "There are no others.\n"
        written[f"{page}.md"] = f"{_WRITTEN}\n# {title}\n\n{text}"
    return written


def _page(entries: dict[str, dict[str, Any]], name: str) -> str:
    return str(entries.get(name, {}).get("page", "more"))


def main() -> None:
    """Write all pages."""
    for name, text in pages().items():
        write_atomically(RESULTS / name, text)


if __name__ == "__main__":
    main()
