"""The commands `weights seal`, `weights list`, `weights challenge`, `weights rollback` and `weights reset`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import App
from rich.console import Console

from agent.commands.options import FLAT
from agent.concurrency.output import printable
from agent.core.errors import WeightsError
from agent.core.files import expand_home
from agent.core.settings import ConfigOption, Settings, load_settings

if TYPE_CHECKING:
    from agent.models.sealed import Tensors
    from agent.store.store import WeightsStore

app = App(
    name="weights", help="Weight files: give one its manifest, list the versions of the store, go back to an older one."
)


@dataclass(frozen=True)
class SealOptions:
    """Which file, and what it holds."""

    file: Path
    """The file."""
    _: KW_ONLY
    kind: Literal["pilot", "dreamer"] = "pilot"
    """What it holds."""


@dataclass(frozen=True, kw_only=True)
class PolicyOption(ConfigOption):
    """Whose versions."""

    policy: str | None = None
    """Its name in `weights list`. Default: the only one."""


@dataclass(frozen=True)
class RollbackOptions:
    """Where to go back to, and whose versions."""

    version: int | None = None
    """A version of `weights list`. Default: the one before the version in force."""
    _: KW_ONLY
    policy: str | None = None
    """Its name in `weights list`. Default: the only one."""
    config: Path | None = None
    """A TOML file of settings. Default: ./metabonk.toml where it exists."""


@dataclass(frozen=True)
class ChallengeOptions:
    """Which file, against whose weights."""

    file: Path
    """A sealed file of weights."""
    _: KW_ONLY
    policy: str | None = None
    """The policy's name in `weights list`. Default: the only one."""
    config: Path | None = None
    """A TOML file of settings. Default: ./metabonk.toml where it exists."""


_CONFIG: Final = ConfigOption()
_POLICY: Final = PolicyOption()
_ROLLBACK: Final = RollbackOptions()


def weights_folder(settings: Settings) -> Path:
    """Where versions of weights lie."""
    from agent.store.store import default_folder

    given = settings.general.weights_dir
    return Path(expand_home(given)) if given else default_folder()


def _kind(kind: str) -> tuple[dict[str, Any], Callable[[Tensors, str], object]]:
    """What files of a kind observe, and what tries their tensors."""
    if kind == "pilot":
        from agent.control import encode, motor

        return encode.describe(), motor.checked_reflex
    from agent.control import dreamer

    return dreamer.describe(), dreamer.checked_dreamer


@app.command(name="seal")
def seal_file(options: Annotated[SealOptions, FLAT]) -> int:
    """Write the manifest of a .safetensors file, so that it may be loaded. The file is tried as what it holds first."""
    from agent.models.sealed import load_sealed, manifest_path, seal

    path, kind = options.file, options.kind
    layout, check = _kind(kind)
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file")
    manifest = seal(path, kind=kind, layout=layout, created_by="weights seal")
    try:
        check(load_sealed(path)[1], str(path))
    except WeightsError:
        manifest_path(path).unlink()
        raise
    Console(stderr=True).print(
        f"{manifest_path(path)}: {len(manifest.tensors)} tensors, {manifest.bytes} bytes, sha256 {manifest.sha256}",
        highlight=False, soft_wrap=True, markup=False,
    )  # fmt: skip
    return 0


@app.command(name="list")
def list_versions(options: Annotated[ConfigOption, FLAT] = _CONFIG) -> int:
    """List the policies of the weights folder with their versions."""
    from agent.models.sealed import read_manifest
    from agent.store.store import WeightsStore

    store = WeightsStore(weights_folder(load_settings(options.config, os.environ)))
    console = Console()
    console.print(f"{store.folder}", highlight=False, soft_wrap=True, markup=False)
    for policy in store.policies():
        current = store.named(policy)
        for version in store.versions(policy):
            try:
                manifest = read_manifest(store.path(policy, version))
                held = f"{manifest.kind} {manifest.bytes} bytes, {manifest.created_by}"
            except WeightsError as error:
                held = f"cannot be used: {error}"
            console.print(
                printable(f"{'*' if version == current else ' '} {policy} {version} {held}"),
                highlight=False, soft_wrap=True, markup=False,
            )  # fmt: skip
    return 0


def _store(config: Path | None) -> WeightsStore:
    from agent.store.store import WeightsStore

    return WeightsStore(weights_folder(load_settings(config, os.environ)))


@app.command(name="challenge")
def challenge_file(options: Annotated[ChallengeOptions, FLAT]) -> int:
    """Have a file play some of the runs, and take the place of the weights in force once its scores are higher.

    A running play takes it up within a second, else the next one does. It is in `/status` under `challenge`.
    """
    from agent.store.challenging import give
    from agent.store.rollback import one_policy

    store = _store(options.config)
    policy = one_policy(store, options.policy)
    give(store, policy, options.file)
    when = "play takes it up now" if store.is_played(policy) else "the next play takes it up"
    _say(f"{policy}: {options.file} challenges version {store.named(policy)}; {when}")
    return 0


@app.command(name="rollback")
def roll_back_versions(options: Annotated[RollbackOptions, FLAT] = _ROLLBACK) -> int:
    """Go back to an older version of a policy: its weights become the next version, which is in force at once.

    A running play takes it up within a second, and its learner goes on from there.
    """
    from agent.store.rollback import one_policy, roll_back

    store = _store(options.config)
    policy = one_policy(store, options.policy)
    stored = roll_back(store, policy, options.version)
    _say(f"{policy}: version {stored.manifest.notes['restores']} is in force again, as version {stored.version}")
    return 0


@app.command(name="reset")
def reset_policy(options: Annotated[PolicyOption, FLAT] = _POLICY) -> int:
    """Forget what a policy has learned: the next start plays the weights that came with the program. End play first.

    All versions, the learners' state and the model of outcomes are put aside, not deleted.
    """
    from agent.store.rollback import one_policy, reset

    store = _store(options.config)
    policy = one_policy(store, options.policy)
    _say(f"{policy}: begins anew; what was there lies in {reset(store, policy)}")
    return 0


def _say(text: str) -> None:
    Console().print(text, highlight=False, soft_wrap=True, markup=False)
