"""From a bare machine to a running program, with Python alone.

    python tools/bootstrap.py play [ARGUMENTS]   make .venv, install, play the built-in game
    python tools/bootstrap.py test [ARGUMENTS]   make .venv, install with the tests' tools, run all checks
    python tools/bootstrap.py install            make .venv and install only

Arguments are passed on; those of play are checked before anything is installed. A second run finds everything in place
and starts at once. Standard library only.
"""

from __future__ import annotations

import collections
import difflib
import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
WINDOWS = os.name == "nt"
PYTHON = VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")
TORCH = "torch>=2.13,<2.14"
CUDA_INDEX = "https://download.pytorch.org/whl/cu130"
COMMANDS = {"play": "", "test": "test", "install": ""}
"""What there is to do, and the extra that it installs."""
PLAY_OPTIONS = {
    "--game": str, "--capture": str, "--tier": int, "--character": str, "--calibration": str, "--profile": str,
    "--policy": str, "--weights": str, "--config": str, "--games": int, "--seconds": float, "--episodes": int,
    "--seed": int, "--report": str, "--http-port": int, "--http": None, "--no-http": None, "--open-page": None,
    "--no-open-page": None, "--lock-step": None, "--no-lock-step": None, "--learn": None, "--no-learn": None,
    "--learner": str,
    "--record": None, "--no-record": None, "--record-to": str, "--goal": str, "--fast": None, "--no-fast": None,
    "--frame-skip": int, "--picture-px": int, "--paint-flags": None, "--no-paint-flags": None,
}  # fmt: skip
"""The options of `play` with the type of their value, None for a switch; a test compares them with the program's."""
HELP = ("-h", "--help")
SAY_EVERY_S = 10.0
KEPT_LINES = 30


def fail(message: str, code: int = 1) -> None:
    """Say what is wrong and what to do, and end."""
    print(f"bootstrap: {message}", file=sys.stderr)
    sys.exit(code)


def check_python() -> None:
    """The program needs Python 3.11 or newer."""
    if sys.version_info < (3, 11):
        found = ".".join(map(str, sys.version_info[:3]))
        fail(f"this is Python {found}; run me with Python 3.11 or newer (https://www.python.org/downloads/)")


# --- arguments -------------------------------------------------------------------------------------------------------


def suggest(name: str, known: list[str]) -> str:
    """`; did you mean NAME?`, or nothing where no known name is near."""
    match = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {match[0]}?" if match else ""


def check_play(arguments: list[str]) -> None:
    """End with code 2 where `play` would refuse an option, its value, or a word that no option takes."""
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            fail(f"{word}: nothing takes it; options of play begin with --", 2)
        if name not in PLAY_OPTIONS:
            fail(f"play has no option {name}{suggest(name, list(PLAY_OPTIONS))}", 2)
        kind = PLAY_OPTIONS[name]
        if kind is None:
            continue
        if not equals:
            if not rest or rest[0] in PLAY_OPTIONS:
                fail(f"{name}: a value is missing", 2)
            value = rest.pop(0)
        try:
            kind(value)
        except ValueError:
            fail(f"{name} {value}: {'a whole number' if kind is int else 'a number'} is needed", 2)


def check_arguments(argv: list[str]) -> None:
    """End with the usage where there is no such command, with one line where its arguments cannot be right."""
    if not argv or argv[0] in HELP:
        print(__doc__)
        sys.exit(0 if argv else 2)
    command, *rest = argv
    if command not in COMMANDS:
        print(__doc__, file=sys.stderr)
        fail(f"there is no command {command}{suggest(command, list(COMMANDS))}", 2)
    if command == "install" and rest:
        fail(f"install takes no arguments, not {' '.join(rest)}", 2)
    if command == "play" and any(word in HELP for word in rest):
        if not PYTHON.exists():
            print(f"options of play, told in full once it is installed: {' '.join(PLAY_OPTIONS)}")
            sys.exit(0)
    elif command == "play":
        check_play(rest)


# --- installing ------------------------------------------------------------------------------------------------------


def watched(label: str, command: list[str]) -> bool:
    """Run a command and say every moment how long it has taken and what it does; its last lines where it fails."""
    start, lines = time.monotonic(), collections.deque(["starting"], KEPT_LINES)
    child = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
        errors="replace", env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip

    def read() -> None:
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                if line.strip():
                    lines.append(line.strip())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    is_screen = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns - 1
    said_s = start
    try:
        while child.poll() is None or reader.is_alive():
            reader.join(0.5)
            if not reader.is_alive():
                child.wait()
            now = time.monotonic()
            text = f"bootstrap: {label}, {now - start:.0f} s: {lines[-1]}"
            if is_screen:
                print(f"\r{text[:width]:{width}}", end="", flush=True)
            elif now - said_s >= SAY_EVERY_S:
                said_s = now
                print(text[:160], flush=True)
    except BaseException:
        child.kill()
        child.wait()
        raise
    text = f"bootstrap: {label}: {'done' if child.returncode == 0 else 'failed'} in {time.monotonic() - start:.0f} s"
    print(f"\r{text:{width}}" if is_screen else text, flush=True)
    if child.returncode != 0:
        print("\n".join(lines), file=sys.stderr, flush=True)
    return child.returncode == 0


def make_venv() -> None:
    """Make .venv unless there is a working one."""
    if PYTHON.exists():
        has_pip = [str(PYTHON), "-c", "import pip"]
        if subprocess.run(has_pip, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return
    if VENV.exists():
        shutil.rmtree(VENV)
    done = watched(f"making {VENV}", [sys.executable, "-m", "venv", str(VENV)])
    if not done or not PYTHON.exists():
        fail("python -m venv failed; on Debian and Ubuntu run: apt install python3-venv")


def stamp(extra: str) -> str:
    """What the installation depends on."""
    text = (ROOT / "pyproject.toml").read_bytes()
    return f"{extra} {sys.version_info[:2]} {hashlib.sha256(text).hexdigest()}"


def pip(*arguments: str) -> None:
    """Run pip in the environment; end with a remedy where it fails."""
    options = ("--disable-pip-version-check", "--no-input", "install", "--progress-bar", "off")
    if not watched("installing packages (minutes, the first time)", [str(PYTHON), "-m", "pip", *options, *arguments]):
        fail("pip failed (see above); is this machine online, and is there disk space for 2 GB?")


def install(extra: str) -> None:
    """Make the environment and install the project with an extra, once for each state of pyproject.toml."""
    mark = VENV / f"installed-{extra or 'core'}"
    wanted = stamp(extra)
    if PYTHON.exists() and mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return
    make_venv()
    if WINDOWS and shutil.which("nvidia-smi"):
        print(f"bootstrap: an NVIDIA card is here; taking torch's CUDA build from {CUDA_INDEX}", flush=True)
        pip(TORCH, "--index-url", CUDA_INDEX)
    pip("--editable", f".[{extra}]" if extra else ".")
    if not watched("compiling the built-in game (about a minute)", [str(PYTHON), "-m", "agent", "prepare"]):
        fail("the installed program does not start (see above)")
    mark.write_text(wanted, encoding="utf-8")


def on_end(answer: Callable[[int], None]) -> None:
    """Answer SIGTERM and a closed terminal, unless they are ignored, as under nohup."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: answer(number))


def interrupt(number: int) -> None:
    """End as Ctrl-C does: what is running is ended first."""
    raise KeyboardInterrupt


def ended(command: list[str], folder: Path | None) -> int:
    """The exit code of a command, 128 + the number of a signal that ended it.

    Ctrl-C goes to it as well; it is waited for, since it ends in its own time.
    """
    begun: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int) -> None:
        if begun:
            begun[0].send_signal(number)
        else:
            early.append(number)

    on_end(pass_on)
    with subprocess.Popen(command, cwd=folder) as child:
        begun.append(child)
        for number in early:
            child.send_signal(number)
        while True:
            try:
                code = child.wait()
                return code if code >= 0 else 128 - code
            except KeyboardInterrupt:
                continue


def main(argv: list[str]) -> int:
    """Do what the first argument says."""
    check_python()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what pip prints may not fit a console's encoding
    check_arguments(argv)
    command, *rest = argv
    on_end(interrupt)
    try:
        install(COMMANDS[command])
        if command == "install":
            return 0
        if command == "test":
            return ended([str(PYTHON), str(ROOT / "tools" / "check.py"), *rest], ROOT)
        return ended([str(PYTHON), "-m", "agent", "play", *rest], None)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
