"""The command line: one file a command, put together here; errors become one line and an exit code."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from cyclopts import App, CycloptsError
from cyclopts.exceptions import UnknownOptionError, UnusedCliTokensError
from rich.console import Console

from agent.commands import plugins, train, weights
from agent.commands.cards.causal import causal
from agent.commands.cluster.cluster import app as cluster
from agent.commands.cluster.learner import learner
from agent.commands.compare import compare_weights
from agent.commands.doctor import doctor
from agent.commands.evaluate import evaluate
from agent.commands.host import host
from agent.commands.labels import label
from agent.commands.merging import skills
from agent.commands.merging.merge import merge
from agent.commands.merging.population import population
from agent.commands.play import play
from agent.commands.prepare import prepare
from agent.commands.quantize import quantize
from agent.commands.recordings.clip import clip
from agent.commands.recordings.export import export
from agent.commands.recordings.folder import app as recordings
from agent.commands.recordings.loops import loops
from agent.commands.recordings.record import record
from agent.commands.recordings.replay import replay
from agent.commands.recordings.runs import runs
from agent.commands.recordings.view import view
from agent.commands.watching.watch import watch
from agent.commands.worlds import world
from agent.commands.worlds.dream import dream
from agent.concurrency.output import printable
from agent.concurrency.signals import exit_code, interrupting, name_of
from agent.concurrency.streams import OutputError
from agent.core import compiled
from agent.core.errors import AgentError, SettingsError
from agent.core.files import expand_home
from agent.core.suggest import did_you_mean, nearest

PROGRAM = "python -m agent"
LARGEST: Final = 2**53
RANGES: Final = {"seed": (0, 2**31 - 1), "port": (0, 65535), "http_port": (0, 65535)}
"""What numbers may be, by the option's name, for every command that has it."""

app = App(
    name=PROGRAM,
    group_parameters="Options",
    help="Play Megabonk, the built-in arena, or any Gymnasium environment, in real time. Without a command: play.",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
    version=lambda: version("metabonk-apex"),
)
app.default(play)
weights.app.command(compare_weights, name="compare")
_WORKING: Final = (
    play,
    host,
    evaluate,
    train.app,
    quantize,
    merge,
    population,
    doctor,
    learner,
    prepare,
    replay,
    runs,
    export,
    record,
    clip,
    loops,
    view,
    watch,
    causal,
    dream,
    label.app,
)
for command in (*_WORKING, world.app, weights.app, skills.app, recordings, cluster, plugins.app):
    app.command(command)


def run(argv: Sequence[str]) -> int:
    """Run one command; returns the exit code: 0 done, 2 refused input, 1 failed, 128 + its number for a signal."""
    words = _with_homes(argv)
    if compiled.elsewhere() and not {"-h", "--help", "--version"} & set(words):
        print(compiled.elsewhere(), file=sys.stderr)
    try:
        with interrupting():
            _check_command(words)
            command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
            for options in bound.arguments.values():
                _check_numbers(options)
            result = command(*bound.args, **bound.kwargs)
            sys.stdout.flush()
    except OutputError as error:
        if not error.is_closed:
            _say("Error", f"{error}; the results are not whole")
        return 1
    except CycloptsError as error:
        _say("Error", _in_one_line(error))
        return 2
    except AgentError as error:
        _say(type(error).__name__, str(error))
        return 2
    except KeyboardInterrupt as error:
        _say("Interrupted", f"by {name_of(error)}")
        return exit_code(error)
    return int(result) if isinstance(result, int) else 0


def _with_homes(argv: Sequence[str]) -> list[str]:
    """The words with `~/` at the beginning of a value replaced by the home, which few shells do after `--out=`."""
    found = []
    for word in argv:
        option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        found.append(f"{option}{equals}{expand_home(value)}" if equals or not option else word)
    return found


def _check_numbers(options: object) -> None:
    """Refuse seeds and ports out of range, and numbers that are none, in the options of any command."""
    for field in dataclasses.fields(options) if dataclasses.is_dataclass(options) else ():
        value, name = getattr(options, field.name), f"--{field.name.replace('_', '-')}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        lowest, highest = RANGES.get(field.name, (-LARGEST, LARGEST))
        if not math.isfinite(value):
            raise SettingsError(f"{name} {value}: a finite number is needed")
        if not lowest <= value <= highest:
            raise SettingsError(f"{name} {value}: between {lowest} and {highest}")


def _check_command(argv: Sequence[str]) -> None:
    """Refuse a word that stands where a command's name does and names none."""
    node, chain = app, [PROGRAM]
    for word in argv:
        known = _below(node)
        if word.startswith("-") or not known:
            return
        if word not in known:
            below = [f"{name} {word}" for name in known if word in _below(node[name])]
            hint = f"; did you mean {below[0]}?" if below else did_you_mean(word, known)
            raise SettingsError(f"{word} is not a command{hint}; {' '.join(chain)} takes {', '.join(known)}")
        node = node[word]
        chain.append(word)


def _below(node: App) -> list[str]:
    """Names of the commands below a command."""
    return [name for name in node if not name.startswith("-")]


def _in_one_line(error: CycloptsError) -> str:
    """What is wrong with the arguments, and which help says more."""
    text = " ".join(str(error).split())
    if isinstance(error, UnknownOptionError):
        text = _unknown(error)
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        text = f"{' '.join(error.unused_tokens)}: nothing takes it."
    return f"{text} See {' '.join([PROGRAM, *(error.command_chain or [])])} --help"


def _unknown(error: UnknownOptionError) -> str:
    """An option that no option of its command is, with the one that is nearest to what was typed."""
    typed, node = error.token.keyword or error.token.value, app
    for name in error.command_chain or ():
        node = node[name]
    known = [name for argument in node.assemble_argument_collection() for name in argument.names]
    meant = nearest(typed, [*(name for name in known if name.startswith("--")), "--help", "--version"])
    return f"Unknown option: {typed}.{f' Did you mean {meant}?' if meant else ''}"


def _say(kind: str, text: str) -> None:
    console = Console(stderr=True)
    console.print(f"[bold red]{kind}[/]: ", end="")
    console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(run(sys.argv[1:]))
