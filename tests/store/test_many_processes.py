"""One store and many processes: numbers are unique, nobody deletes what another writes, what is lost comes again."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.core.errors import WeightsError
from agent.store.store import WeightsStore, folder_name
from tests.store.test_reload import Table, run, weights
from tests.store.test_store import publish

PUBLISHES = """
import sys
from pathlib import Path
import numpy as np
from agent.models.sealed import manifest_path
from agent.store.store import WeightsStore
store = WeightsStore(Path(sys.argv[1]))
for i in range(int(sys.argv[2])):
    stored = store.publish("p", {"a": np.full((4, 3), i, np.float32)}, kind="test", layout={"x": 1})
    print(stored.version, flush=True)
"""


def test_a_number_that_another_took_between_look_and_claim_is_not_given_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = WeightsStore(tmp_path), WeightsStore(tmp_path)
    publish(one, 1)
    taken: list[int] = []
    real = one._claim_path

    def slow(policy: str, version: int) -> Path:
        if not taken:
            taken.append(publish(two, 2).version)
        return real(policy, version)

    monkeypatch.setattr(one, "_claim_path", slow)
    stored = publish(one, 3)
    assert taken == [2] and stored.version == 3
    assert WeightsStore(tmp_path).load("p", 2)[1]["a"][0, 0] == 2


def test_whoever_is_slow_does_not_turn_current_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick = WeightsStore(tmp_path), WeightsStore(tmp_path)
    publish(slow, 1)
    real, done = slow._point, []

    def point(policy: str, version: int) -> Any:
        if not done:
            done.append(publish(quick, 3).version)
        return real(policy, version)

    monkeypatch.setattr(slow, "_point", point)
    assert publish(slow, 2).version == 2 and done == [3]
    for store in (slow, quick, WeightsStore(tmp_path)):
        assert store.current("p").version == 3, "all see the latest"  # type: ignore[union-attr]


def test_a_start_leaves_alone_what_another_is_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import agent.store.store as module

    writer, home = WeightsStore(tmp_path), tmp_path / folder_name("p")
    publish(writer, 1)
    (home / "current").write_bytes(b"damaged")
    seen: list[Any] = []
    real = module.save_sealed

    def save(path: Path, values: Any, **more: Any) -> Any:
        path.write_bytes(b"half of it")
        starting = WeightsStore(tmp_path)
        seen.append((starting.current("p").version, [p.name for p in home.glob(".v*.claim")], path.exists()))  # type: ignore[union-attr]
        return real(path, values, **more)

    monkeypatch.setattr(module, "save_sealed", save)
    assert publish(writer, 2).version == 2
    assert seen == [(1, [".v00000002.claim"], True)]
    assert not (home / "quarantine").exists() and not list(home.glob(".v*.claim"))


def test_many_publishers_get_numbers_of_their_own_and_nothing_is_refused(tmp_path: Path) -> None:
    given: list[int] = []

    def work() -> None:
        store = WeightsStore(tmp_path)
        given.extend([publish(store, i).version for i in range(15)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == len(set(given)) == 60
    store = WeightsStore(tmp_path)
    assert store.current("p").version == max(given)  # type: ignore[union-attr]
    assert not list((tmp_path / folder_name("p")).glob(".v*"))


@pytest.mark.campaign
@pytest.mark.timeout(1200)
def test_eight_processes_publish_two_hundred_versions_each(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PUBLISHES, str(tmp_path), "200"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    said = [process.communicate()[0].split() for process in running]
    assert [process.returncode for process in running] == [0] * 8 and [len(words) for words in said] == [200] * 8
    counts = Counter(int(word) for words in said for word in words)
    assert len(counts) == 1600 and max(counts.values()) == 1
    assert WeightsStore(tmp_path).current("p").version == max(counts)  # type: ignore[union-attr]


def test_what_is_not_finite_is_published_for_no_policy(tmp_path: Path) -> None:
    store = WeightsStore(tmp_path)
    publish(store, 1)
    with pytest.raises(WeightsError, match="tensor a has values that are not finite"):
        publish(store, float("nan"))
    assert store.versions("p") == [1]


def test_the_last_version_that_acted_well_is_pruned_by_no_process_and_served_where_the_current_is_damaged(
    tmp_path: Path,
) -> None:
    mine, other = WeightsStore(tmp_path), WeightsStore(tmp_path)
    for i in range(3):
        publish(mine, i)
    mine.mark_good("p", 2)
    for i in range(10, 16):
        publish(other, i)
    assert other.versions("p") == [2, 7, 8, 9]
    for version in (7, 8, 9):
        other.path("p", version).write_bytes(b"damaged")
    assert WeightsStore(tmp_path).load("p")[1]["a"][0, 0] == 1
    mine.mark_good("p", 9)
    publish(mine, 20)
    assert 2 not in mine.versions("p")


# --- in play -----------------------------------------------------------------------------------------------------


def forget(folder: Path) -> None:
    shutil.rmtree(folder / folder_name("gain"))


def test_weights_that_vanished_are_written_again_from_memory(tmp_path: Path) -> None:
    async def play(table: Table) -> None:
        await table.reloader.offer(weights(0.5), "learner")
        for lose in (forget, lambda folder: (folder / folder_name("gain") / "current").unlink()):
            lose(tmp_path)
            await table.settle(lambda: WeightsStore(tmp_path).current("gain") is not None)
            stored, found = WeightsStore(tmp_path).load("gain")
            assert stored.version == table.policy.version == 2 and found["gain"][0, 0] == 0.5
            await table.settle(lambda: (tmp_path / folder_name("gain") / "current").exists())
        assert await table.reloader.offer(weights(0.75), "learner") == 3

    run(tmp_path, play)


def test_versions_of_other_processes_act_here_and_what_fits_not_is_refused_once(tmp_path: Path) -> None:
    async def play(table: Table) -> None:
        await table.step(3)
        other = WeightsStore(tmp_path)
        put: Callable[..., Any] = lambda value, kind: other.publish("gain", weights(value), kind=kind, layout={"x": 1})
        put(0.5, "test")
        await table.settle(lambda: table.policy.version == 2)
        assert table.policy.tensors["gain"][0, 0] == 0.5 and table.reloader.status()["on_trial"]
        put(0.75, "another")
        await table.settle(lambda: len(table.reloader.refused) == 1)
        await table.step(40)
        assert table.policy.version == 2 and [kind for kind, _ in table.said].count("weights_refused") == 1
        put(7.0, "test")  # gives what is no number: taken back
        await table.settle(lambda: len(table.reloader.rollbacks) == 1)
        assert table.policy.tensors["gain"][0, 0] in (0.25, 0.5)

    run(tmp_path, play)


def test_a_restart_tries_what_has_not_acted_well_yet_and_falls_back_to_the_last_good(tmp_path: Path) -> None:
    async def good(table: Table) -> None:
        await table.reloader.offer(weights(0.5), "learner")
        await table.settle(lambda: not table.reloader.status()["on_trial"])
        await table.settle(lambda: table.reloader.store.good("gain") == 2)
        await table.reloader.offer(weights(7.0), "learner")  # the process ends before it has acted

    async def again(table: Table) -> None:
        assert table.policy.version == 3 and table.reloader.status()["on_trial"]
        await table.settle(lambda: len(table.reloader.rollbacks) == 1)
        assert table.policy.tensors["gain"][0, 0] == 0.5

    run(tmp_path, good)
    run(tmp_path, again)


def test_a_restart_serves_the_last_good_where_the_current_is_no_use(tmp_path: Path) -> None:
    async def good(table: Table) -> None:
        await table.reloader.offer(weights(0.5), "learner")
        await table.settle(lambda: table.reloader.store.good("gain") == 2)

    async def nothing(table: Table) -> None: ...

    run(tmp_path, good)
    for _ in range(4):
        WeightsStore(tmp_path).publish("gain", weights(11.0), kind="test", layout={"x": 1})
    table = run(tmp_path, nothing)
    assert table.policy.version == 2 and table.policy.tensors["gain"][0, 0] == 0.5
