"""The whole plugins against the stubs: no warning, and a wrong member fails; the C# keeps the rules of the house."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tools.scripts import csharp
from tools.scripts.csharp import BONKLINK, FAKE, HOST, PURE, RESEARCH, ROOT, SHARED, Toolchain, ToolchainError

FOLDERS = (BONKLINK, RESEARCH, HOST, FAKE, ROOT / "tests" / "plugins" / "stubs", ROOT / "tools" / "scripts")
SOURCES = sorted(path for folder in FOLDERS for path in folder.glob("*.cs"))
KEYS = {
    "Network": {"Port": "5555", "UseNamedPipe": "false", "PipeName": '"BonkLink"'},
    "Performance": {"UpdateHz": "60"},
    "Capture": {
        "EnableJpeg": "true", "JpegHz": "10", "JpegWidth": "320", "JpegHeight": "180", "JpegQuality": "75",
        "EnableInputSnapshot": "true", "FrameFormat": "usual",
    },
}  # fmt: skip


def test_both_plugins_and_the_host_compile_without_a_warning(built: Path) -> None:
    for name in ("BonkLink.dll", "ResearchPlugin.dll", "host.dll"):
        assert (built / name).stat().st_size > 10_000


# plugin, file, what stands there, what is wrong instead, the compiler's code for it.
WRONG = (
    ("BonkLink", "EnemyList.cs", "enemy.GetCenterPosition()", "enemy.GetMiddlePosition()", "CS1061"),
    ("BonkLink", "FrameCapture.cs", "_waiting = false;", "var unused = 3; _waiting = false;", "CS0219"),
    ("BonkLink", "GameDataDump.cs", "using Inventory__Items__Pickups;",
     "using Inventory__Items__Pickups.Xp_and_Levels;", "CS0103"),
    ("ResearchPlugin", "Seeding.cs", "__instance.testSeed", "MapGenerationController.testSeed", "CS0120"),
    ("ResearchPlugin", "NewRun.cs", "MapController.RestartRun()", "MapController.RestartGame()", "CS0117"),
)  # fmt: skip


def test_a_wrong_member_or_a_warning_fails(toolchain: Toolchain, built: Path, tmp_path: Path) -> None:
    jobs = []
    for number, (plugin, file, right, wrong, _) in enumerate(WRONG):
        (job,) = (j for j in csharp.jobs(built) if j[0] == f"-name:{plugin}")
        (source,) = (argument for argument in job if argument.endswith(f"/{file}"))
        text = Path(source).read_text(encoding="utf-8")
        assert right in text
        broken = tmp_path / str(number) / file
        broken.parent.mkdir()
        broken.write_text(text.replace(right, wrong), encoding="utf-8")
        changed = [f"-out:{broken.with_suffix('.dll')}" if a.startswith("-out:") else a for a in job]
        jobs.append([str(broken) if a == source else a for a in changed])
    found = toolchain.compile(jobs).splitlines()
    for number, (_, file, _, _, code) in enumerate(WRONG):
        mine = [line for line in found if f"/{number}/{file}" in line]
        assert mine and all(code in line for line in mine)
        assert not (tmp_path / str(number) / file).with_suffix(".dll").exists()


def test_build_raises_what_the_compiler_found(
    toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "a.cs"
    source.write_text("class A { int f() => missing; }", encoding="utf-8")
    monkeypatch.setattr(csharp, "jobs", lambda out: [["-name:a", f"-out:{out / 'a.dll'}", str(source)]])
    with pytest.raises(ToolchainError, match="CS0103"):
        csharp.build(toolchain, tmp_path / "out")


def test_the_parts_without_unity_name_nothing_of_it_and_no_part_is_missing() -> None:
    foreign = re.compile(r"\b(UnityEngine|BepInEx|Il2Cpp|Harmony|Assets\.Scripts)")
    for path in PURE:
        code = "\n".join(line.partition("//")[0] for line in path.read_text(encoding="utf-8").splitlines())
        assert not foreign.search(code), path
    assert {p.name for p in PURE} >= {"Wire.cs", "LinkServer.cs", "SharedFrame.cs", "Stepper.cs"}


def test_no_file_is_longer_than_500_lines_and_no_method_longer_than_60() -> None:
    head = re.compile(r"^    (?:    )?(?:public|private|internal|protected|static|\w+\s+\w+\()")
    for path in SOURCES:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 500, path
        assert not re.search(r"\bTODO\b|\bFIXME\b|\bXXX\b|NotImplementedException", "\n".join(lines)), path
        assert max(map(len, lines)) <= 120, path
        start = None
        for number, line in enumerate(lines):
            if line in ("    {", "        {") and number and head.match(lines[number - 1]):
                start = start or (number, len(line) - 1)
            elif start and line.rstrip(";") == " " * start[1] + "}":
                type_like = re.search(r"\b(class|struct|enum|interface|record)\b", lines[start[0] - 1])
                assert type_like or number - start[0] <= 60, f"{path}:{start[0]}"
                start = None


def test_load_wires_in_twenty_lines() -> None:
    for folder in (BONKLINK, RESEARCH):
        text = (folder / "Plugin.cs").read_text(encoding="utf-8")
        (body,) = re.findall(r"void Load\(\)\n    \{\n(.*?)\n    \}\n", text, re.S)
        assert len(body.splitlines()) <= 20


def test_every_configuration_key_is_there_with_its_default() -> None:
    text = (BONKLINK / "PluginSettings.cs").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = {}
    for section, key, default in re.findall(r'Bind\((?:true|false), "(\w+)", "(\w+)", ([^,]+),', text):
        found.setdefault(section, {})[key] = default
    assert found == KEYS


def test_the_project_files_name_the_same_sources_as_ci_compiles() -> None:
    for project, sources in (
        (RESEARCH / "ResearchPlugin.csproj", SHARED),
        (HOST / "Host.csproj", PURE),
    ):
        tree = ET.parse(project)
        assert tree.findtext(".//TargetFramework") == "net6.0" and tree.findtext(".//LangVersion") == "10"
        assert tree.findtext(".//TreatWarningsAsErrors") == "true"
        included = {(project.parent / str(e.get("Include"))).resolve() for e in tree.iter("Compile")}
        assert included == {path.resolve() for path in sources}
    tree = ET.parse(BONKLINK / "BonkLink.csproj")
    assert tree.findtext(".//TargetFramework") == "net6.0"


def test_without_a_compiler_a_laptop_skips_and_ci_installs_or_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(csharp.platform, "machine", lambda: "arm64")
    with pytest.raises(ToolchainError, match="use the .NET SDK"):
        csharp.install(Toolchain(tmp_path / "none"))
    monkeypatch.undo()
    monkeypatch.setattr(csharp.shutil, "which", lambda name: None)
    with pytest.raises(ToolchainError, match="apt-get install npm"):
        csharp.install(Toolchain(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
