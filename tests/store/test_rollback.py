"""A person goes back: to an older version, or to what came with the program."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from agent.commands.cli import run
from agent.core.errors import WeightsError
from agent.learner.client import OWN
from agent.store.rollback import one_policy, reset, roll_back
from agent.store.store import WeightsStore, folder_name, motor_name, outcomes_name


def published(folder: Path, count: int, policy: str = "pilot") -> WeightsStore:
    store = WeightsStore(folder)
    for number in range(1, count + 1):
        store.publish(
            policy, {"w": np.full(3, number, np.float32)}, kind="pilot", layout={"a": 1}, sizes={"units": 2},
            created_by="learning, rollout 7",
        )  # fmt: skip
    return store


def test_an_older_version_is_in_force_again_as_the_next_one_for_everybody(tmp_path: Path) -> None:
    store = published(tmp_path, 3)
    watching = WeightsStore(tmp_path)
    assert watching.current("pilot").version == 3  # type: ignore[union-attr]
    stored = roll_back(store, "pilot", None)
    assert stored.version == 4 and stored.manifest.notes["restores"] == 2
    seen, tensors = watching.load("pilot")
    assert seen.version == 4 and tensors["w"].tolist() == [2.0] * 3
    assert (seen.manifest.layout, seen.manifest.sizes) == ({"a": 1}, {"units": 2})
    assert not seen.manifest.created_by.startswith(OWN), "a learner goes on from these weights, not from its own"
    stored = roll_back(store, "pilot", 3)
    assert stored.version == 5 and store.load("pilot")[1]["w"].tolist() == [3.0] * 3


def test_what_is_not_there_cannot_be_gone_back_to(tmp_path: Path) -> None:
    store = published(tmp_path, 1)
    for version, said in ((None, "nothing older"), (9, "version 9"), (1, "version 1 cannot")):
        with pytest.raises(WeightsError, match=said):
            roll_back(store, "pilot", version)
    assert store.versions("pilot") == [1]


def test_a_policy_of_the_longest_name_is_reset_with_what_its_learners_made(tmp_path: Path) -> None:
    name = "p" * 64
    store = published(tmp_path, 2, name)
    made = outcomes_name(name), motor_name(name)
    for each in made:
        published(tmp_path, 1, each)
    assert one_policy(store, None) == name
    aside = reset(store, name)
    assert WeightsStore(tmp_path).policies() == []
    assert sorted(p.name for p in aside.iterdir()) == sorted(map(folder_name, (name, *made)))


def test_a_reset_puts_all_of_a_policy_aside_and_nothing_of_another(tmp_path: Path) -> None:
    published(tmp_path, 2, "dreamer")
    store = published(tmp_path, 3)
    home = store.path("pilot", 3).parent
    for name in ("learner-00000001.safetensors", "accepted.json"):
        (home / name).write_bytes(b"{}")
    published(tmp_path, 1, "pilot.outcomes")
    aside = reset(store, "pilot")
    again = WeightsStore(tmp_path)
    assert again.current("pilot") is None and again.current("pilot.outcomes") is None
    assert again.versions("dreamer") == [1, 2] and again.policies() == ["dreamer"]
    assert [p.name for p in home.iterdir()] == ["accepted.json"]
    assert (aside / home.name / "learner-00000001.safetensors").is_file()
    assert len(list((aside / home.name).glob("v*.safetensors"))) == 3
    published(tmp_path, 1)
    assert reset(WeightsStore(tmp_path), "pilot") != aside


def test_the_policy_that_is_meant_is_the_only_one_or_the_named_one(tmp_path: Path) -> None:
    store = published(tmp_path, 1)
    published(tmp_path, 1, "pilot.outcomes")
    assert one_policy(store, None) == "pilot" and one_policy(store, "pilot.outcomes") == "pilot.outcomes"
    with pytest.raises(WeightsError, match="pilot.*none is called pilto"):
        one_policy(store, "pilto")
    published(tmp_path, 1, "dreamer")
    with pytest.raises(WeightsError, match="dreamer, pilot; name one with --policy"):
        one_policy(store, None)
    with pytest.raises(WeightsError, match="no versions"):
        one_policy(WeightsStore(tmp_path / "none"), None)


def test_the_commands_say_what_is_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METABONK_WEIGHTS_DIR", str(tmp_path))
    published(tmp_path, 3)
    assert run(["weights", "rollback"]) == 0
    assert "pilot: version 2 is in force again, as version 4" in capsys.readouterr().out
    assert run(["weights", "rollback", "3", "--policy", "pilot"]) == 0
    assert "version 3 is in force again, as version 5" in capsys.readouterr().out
    assert run(["weights", "rollback", "77"]) == 2
    assert "version 77" in capsys.readouterr().err
    playing = WeightsStore(tmp_path).claim_play("pilot")
    assert playing is not None and run(["weights", "reset"]) == 2
    said = capsys.readouterr().err
    with pytest.raises(WeightsError, match="end play"):
        reset(WeightsStore(tmp_path), outcomes_name("pilot"))
    assert "end play" in said and len(said.strip().splitlines()) == 1
    assert WeightsStore(tmp_path).policies() == ["pilot"]
    ended = msgspec.json.decode(playing.read_bytes()) | {"pid": 2**31 - 1}
    playing.write_bytes(msgspec.json.encode(ended))
    assert run(["weights", "reset"]) == 0
    assert "begins anew" in capsys.readouterr().out and WeightsStore(tmp_path).policies() == []
    assert run(["weights", "reset"]) == 2
