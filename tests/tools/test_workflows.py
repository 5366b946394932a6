"""What lies under .github: it can be read, and names files, commands and versions that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(p for p in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if p.name != "config.yml")
PROGRAMS = {"python", "python3", "bash", "sudo", "env", "-E"}


def read(path: Path) -> dict[str, Any]:
    """The values of a YAML file. YAML 1.1 reads the key `on` as true."""
    found: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in found.items()}


def files_in(command: str) -> list[str]:
    """The words of a command that are files of this project."""
    return [word for word in shlex.split(command) if re.fullmatch(r"[\w./-]*/[\w./-]+|[\w-]+\.(py|sh)", word)]


def runs(workflow: dict[str, Any]) -> list[str]:
    """The commands of all steps."""
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_a_workflow_runs_files_that_exist_with_programs_that_are_there(path: Path) -> None:
    workflow = read(path)
    assert {"name", "on", "jobs", "permissions"} <= workflow.keys()
    for command in runs(workflow):
        words = [w for w in shlex.split(command) if not w.startswith("PATH=")]
        assert words[0] in PROGRAMS, command
        named = files_in(command)
        assert named, f"{command}: names no file"
        for name in named:
            assert (ROOT / name).is_file(), f"{command}: there is no {name}"


def test_the_checks_run_everywhere_with_the_command_of_the_readme() -> None:
    job = read(GITHUB / "workflows" / "test.yml")["jobs"]["test"]
    matrix = job["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "windows"}
    assert job["runs-on"] == "${{ matrix.os }}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert project["requires-python"] == f">={matrix['python'][0]}"
    for system in ("ubuntu", "windows"):
        steps = [s for s in job["steps"] if f"'{system}'" in s.get("if", "") and "run" in s]
        assert len(steps) == 1, system
        command = steps[0]["run"]
        if system == "ubuntu":
            assert command.endswith("bash .ci/run")
            command = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
        assert re.search(r"tools/bootstrap\.py test\b", command), system


def test_bootstrap_knows_the_command_that_the_workflow_gives() -> None:
    done = subprocess.run(
        [sys.executable, "tools/bootstrap.py", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert "bootstrap.py test" in done.stdout


@pytest.mark.parametrize("path", FORMS, ids=lambda p: p.name)
def test_a_form_for_issues_has_what_a_form_needs(path: Path) -> None:
    form = read(path)
    assert {"name", "description", "body"} <= form.keys()
    names = [part["id"] for part in form["body"]]
    assert len(names) == len(set(names))
    for part in form["body"]:
        assert part["type"] in ("textarea", "input", "dropdown", "checkboxes")
        assert part["attributes"]["label"]
    assert any(part.get("validations", {}).get("required") for part in form["body"])


def test_commands_and_folders_that_the_templates_name_exist() -> None:
    texts = [p.read_text(encoding="utf-8") for p in (*FORMS, GITHUB / "PULL_REQUEST_TEMPLATE.md")]
    for name in re.findall(r"`([^`]+)`", "\n".join(texts)):
        if name.startswith("python -m agent "):
            assert name.split()[3] in ("--version", "doctor")
        else:
            assert (ROOT / name.removeprefix("python ").split()[0]).exists(), name


def test_files_keep_to_the_editor_configuration() -> None:
    text = (ROOT / ".editorconfig").read_text(encoding="utf-8")
    assert "root = true" in text and "max_line_length = 120" in text
    for path in [*(ROOT / "agent").rglob("*.py"), *WORKFLOWS, *FORMS]:
        data = path.read_bytes()
        assert b"\r" not in data and (not data or data.endswith(b"\n")), path
