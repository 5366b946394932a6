"""The store of weights: versions only grow, `current` is always whole, a killed write changes nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.core import files
from agent.core.errors import WeightsError
from agent.store.store import Stored, WeightsStore, folder_name

KIND = {"kind": "test", "layout": {"x": 1}}


def tensors(value: float) -> dict[str, Any]:
    return {"a": np.full((4, 3), value, np.float32), "n": np.array(7, np.int64)}


def publish(store: WeightsStore, value: float, policy: str = "p") -> Stored:
    return store.publish(policy, tensors(value), **KIND)


def test_versions_grow_across_restarts_and_the_last_three_are_kept(tmp_path: Path) -> None:
    store = WeightsStore(tmp_path)
    assert store.current("p") is None and store.policies() == []
    for i in range(5):
        assert publish(store, i).version == i + 1
    assert store.versions("p") == [3, 4, 5]
    again = WeightsStore(tmp_path)
    assert again.policies() == ["p"]
    stored, found = again.load("p")
    assert stored.version == 5 and found["a"][0, 0] == 4 and stored.manifest.version == 5
    assert again.load("p", 3)[1]["a"][0, 0] == 2
    assert publish(again, 9).version == 6
    with pytest.raises(WeightsError, match="holds no version"):
        again.load("q")


def test_versions_never_go_back_even_when_files_are_lost(tmp_path: Path) -> None:
    store = WeightsStore(tmp_path)
    for i in range(4):
        publish(store, i)
    home = tmp_path / folder_name("p")
    for path in home.glob("v*"):
        path.unlink()
    assert WeightsStore(tmp_path).current("p") is None
    assert publish(WeightsStore(tmp_path), 0).version == 5


@pytest.mark.parametrize(
    ("version", "highest"), [(1, 2**64 - 1), (1, 2**63 - 1), (5, 999_999_999_999), (-3, -3), (10**12, 10**12), (1, -1)]
)
def test_numbers_that_were_never_given_out_do_not_lead_versions_astray(
    version: int, highest: int, tmp_path: Path
) -> None:
    publish(WeightsStore(tmp_path), 1)
    home = tmp_path / folder_name("p")
    (home / "v999999999999.safetensors").touch()
    (home / "current").write_text(f'{{"policy":"p","version":{version},"highest":{highest}}}', encoding="utf-8")
    assert [publish(WeightsStore(tmp_path), i).version for i in range(2)] == [2, 3]
    current = WeightsStore(tmp_path).current("p")
    assert current is not None and current.version == 3 and WeightsStore(tmp_path).versions("p") == [1, 2, 3]


def test_two_stores_of_one_folder_never_give_out_the_same_version(tmp_path: Path) -> None:
    one, two = WeightsStore(tmp_path), WeightsStore(tmp_path)
    versions = [publish(store, 0).version for _ in range(4) for store in (one, two)]
    assert versions == list(range(1, 9))


def test_a_damaged_version_is_put_aside_with_its_reason_and_the_one_before_is_served(tmp_path: Path) -> None:
    store = WeightsStore(tmp_path)
    for i in range(3):
        last = publish(store, i)
    data = bytearray(last.path.read_bytes())
    data[-3] ^= 1
    last.path.write_bytes(bytes(data))
    again = WeightsStore(tmp_path)
    current = again.current("p")
    assert current is not None and current.version == 2
    aside = last.path.parent / "quarantine"
    assert "sha256" in (aside / f"{last.path.name}.reason.txt").read_text(encoding="utf-8")
    assert publish(again, 8).version == 4


def test_names_of_policies_cannot_leave_the_folder_or_meet(tmp_path: Path) -> None:
    assert folder_name("Greed") != folder_name("greed") and folder_name("con") == "policy-con"
    for name in ("", "../x", "a/b", ".hidden", "a" * 65, "a b", "ü", "a\0"):
        with pytest.raises(WeightsError, match="policy name"):
            publish(WeightsStore(tmp_path), 0, name)
    assert list(tmp_path.iterdir()) == []


class Fault:
    """Lets the nth call of the file system fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
        self.calls, self.nth, self.fired = 0, nth, False
        for name in ("fsync", "open"):
            monkeypatch.setattr(os, name, self._wrap(getattr(os, name)))
        for name in ("replace", "open", "unlink"):
            monkeypatch.setattr(Path, name, self._wrap(getattr(Path, name)))

    def _wrap(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls == self.nth:
                self.fired = True
                raise OSError(28, "No space left on device")
            return real(*args, **kwargs)

        return call


@pytest.mark.parametrize("nth", range(1, 40))
def test_the_nth_call_of_the_file_system_fails_and_the_store_stays_whole(
    tmp_path: Path, nth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = WeightsStore(tmp_path)
    for i in range(4):
        publish(store, i)
    with monkeypatch.context() as patch:
        fault = Fault(patch, nth)
        try:
            published = publish(store, 77).version
        except WeightsError as error:
            assert "No space left" in str(error)
            published = None
    assert published is not None or fault.fired
    stored, found = WeightsStore(tmp_path).load("p")
    assert found["a"][0, 0] == (77 if stored.version == 5 else 3)
    if published is not None:
        assert stored.version == published
    assert publish(WeightsStore(tmp_path), 5).version > stored.version


_KILLED = """
import os, sys, signal
from pathlib import Path
import numpy as np
from agent.store.store import WeightsStore
def dying(real):
    def call(*a, **k):
        global calls
        calls += 1
        if calls == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*a, **k)
    return call
def publish(folder):
    store = WeightsStore(Path(folder))
    store.current("p")
    os.fsync = dying(os.fsync)
    os.replace = dying(os.replace)
    Path.replace = dying(Path.replace)
    tensors = {"a": np.full((4, 3), 77, np.float32), "n": np.array(7, np.int64)}
    store.publish("p", tensors, kind="test", layout={"x": 1})
    os._exit(0)
for step, folder in enumerate(sys.argv[1:], 1):
    calls = 0
    child = os.fork() or publish(folder)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        print(step)
        break
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_a_kill_at_each_step_of_a_publication_leaves_a_whole_current_version(tmp_path: Path) -> None:
    folders = [tmp_path / str(step) for step in range(1, 20)]
    for folder in folders:
        publish(WeightsStore(folder), 3)
    done = subprocess.run([sys.executable, "-c", _KILLED, *map(str, folders)], check=True, capture_output=True)
    last = int(done.stdout)
    for step, folder in enumerate(folders[:last], 1):
        stored, found = WeightsStore(folder).load("p")
        assert found["a"][0, 0] == (77 if stored.version == 2 else 3)
        assert not list((folder / folder_name("p")).glob(".*"))
        assert stored.version == 2 or step < last
        assert publish(WeightsStore(folder), 4).version >= stored.version + 1
    assert last > 6


def test_the_folder_is_synced_after_each_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", synced.append)
    publish(WeightsStore(tmp_path), 0)
    assert len(synced) == 3 and set(synced) == {tmp_path / folder_name("p")}


def test_names_of_which_nothing_is_stored_leave_nothing_behind(tmp_path: Path) -> None:
    store = WeightsStore(tmp_path)
    assert all(store.current(f"nobody-{i}") is None for i in range(100))
    assert not store._current and not store._seen and not store._highest and not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_read_is_said_by_name_and_versions_still_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = WeightsStore(tmp_path)
    publish(store, 1)
    home = tmp_path / folder_name("p")

    def refuse(path: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    for look in (WeightsStore(tmp_path).current, WeightsStore(tmp_path).load, store.versions):
        with pytest.raises(WeightsError, match=f"{re.escape(str(home))}: Permission denied"):
            look("p")
    assert store.skip("p") == 2, "bad weights are taken back all the same"
