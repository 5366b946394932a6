"""The stand-ins declare nothing that the real game's interop assemblies do not: every member, against members.tsv."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from tools.scripts.csharp import ROOT, Toolchain

FACTS = ROOT / "tests" / "plugins" / "stubs" / "members.tsv"
UNLISTED = {
    "Behaviour", "Component", "Coroutine", "Cursor", "CursorLockMode", "MonoBehaviour", "Rect", "RectTransform",
    "RenderTextureFormat", "Rigidbody", "Scene", "SceneManager", "ScriptableObject", "SystemInfo", "Texture",
    "TextureFormat", "Transform", "Vector2", "Vector3", "WaitForEndOfFrame",
}  # fmt: skip
"""Unity's types that members.tsv does not list."""

Row = tuple[str, str, str, str, str, str, str]
"""Assembly, namespace, type, kind, name, static or instance, number of parameters."""


def read_facts() -> dict[tuple[str, str, str], set[str]]:
    """The members of each real type, as members.tsv writes them."""
    lines = [line.split("\t") for line in FACTS.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {(assembly, namespace, name): set(members.split(" ")) for assembly, namespace, name, members in lines}


def find_wrong(declared: Iterable[Row]) -> list[str]:
    """What the stand-ins declare and the real assemblies do not, one line each."""
    facts = read_facts()
    wrong = []
    for assembly, namespace, name, kind, member, static, parameters in declared:
        real = facts.get((assembly, namespace, name))
        if real is None:
            if kind == "type" and member != "enum" and name not in UNLISTED:
                places = sorted({space for _, space, other in facts if other == name})
                wrong.append(f"{namespace}.{name}: the type is in {places}")
            continue
        said = ("*" if static == "static" else "") + member + (f"({parameters})" if kind == "method" else "")
        if kind != "type" and (kind == "field" or said not in real):
            near = sorted(m for m in real if m.lstrip("*").partition("(")[0] == member)
            wrong.append(f"{namespace}.{name}: {kind} {said} is not there, but {near}")
    return wrong


@pytest.fixture(scope="module")
def declared(toolchain: Toolchain, built: Path) -> list[Row]:
    command = [toolchain.dotnet, "exec", built / "stubs" / "fakegame.dll", "members", "Assembly-CSharp",
        "UnityEngine.CoreModule"]  # fmt: skip
    done = subprocess.run(command, env=toolchain.environment(), capture_output=True, text=True, check=True)
    return [(a, n, t, k, m, s, p) for a, n, t, k, m, s, p in (line.split("\t") for line in done.stdout.splitlines())]


def test_every_member_of_a_stand_in_is_the_real_game_s(declared: list[Row]) -> None:
    assert len(declared) > 250 and find_wrong(declared) == []


@pytest.mark.parametrize(
    ("name", "member", "changed"),
    [
        ("XpUtility", "", {"namespace": "Inventory__Items__Pickups.Xp_and_Levels"}),
        ("MapGenerationController", "testSeed", {"static": "static"}),
        ("MapGenerationController", "testSeed", {"kind": "field"}),
        ("GameManager", "IsPlaying", {"parameters": "1"}),
        ("MyTime", "runTimer", {"member": "runTime"}),
    ],
)
def test_a_wrong_name_place_kind_or_count_is_found(
    declared: list[Row], name: str, member: str, changed: dict[str, str]
) -> None:
    columns = ("assembly", "namespace", "name", "kind", "member", "static", "parameters")
    rows = [dict(zip(columns, row, strict=True)) for row in declared if row[2] == name]
    broken = [{**row, **changed} if member in ("", row["member"]) else row for row in rows]
    wrong = find_wrong(tuple(row[c] for c in columns) for row in broken)  # type: ignore[misc]
    assert wrong and all(name in line for line in wrong)
