"""The bench of tiers: parts that are kept are of the same players, and players of one name are told apart."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.control.policies import SHIPPED
from tools.bench import tiers

WON = {"kiter": [False, False], "pilot": [True, False]}


def published(folder: Path, players: str, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], list[str]]:
    """The result, and who played for it."""
    played: list[str] = []

    def play(player: str, tier: int, character: int, seeds: range) -> dict[str, Any]:
        played.append(player)
        won = WON[Path(player).stem]
        return {"scores_s": [1200.0 if w else 300.0 for w in won], "won": won}

    monkeypatch.setattr(tiers, "play", play)
    out = folder / "tiers.json"
    words = ["--players", players, "--each", "2", "--tiers", "2", "--parts", str(folder / "parts"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["tiers", *words])
    tiers.main()
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found, played


def test_players_are_compared_run_by_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, played = published(tmp_path, "pilot,kiter", monkeypatch)
    tier, count = found["tier 2"], len(tiers.CHARACTERS)
    assert played == ["pilot"] * count + ["kiter"] * count
    assert (tier["pilot"]["wins"], tier["pilot"]["runs"], tier["kiter"]["wins"]) == (count, 2 * count, 0)
    assert set(tier["pilot"]["win_share_by_character"].values()) == {0.5}
    assert {(c["wins"], c["runs"]) for c in tier["pilot"]["by_character"].values()} == {(1, 2)}
    assert tier["first"]["won minus kiter"]["value"] == 0.5 and tier["first"]["scores_s minus kiter"]["value"] == 450.0


def test_kept_parts_are_used_until_a_player_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "pilot.safetensors"
    shutil.copy(SHIPPED, weights)
    players = f"{weights},kiter"
    assert len(published(tmp_path, players, monkeypatch)[1]) == 2 * len(tiers.CHARACTERS)
    assert published(tmp_path, players, monkeypatch)[1] == []
    weights.write_bytes(SHIPPED.with_name("pilot-0.1.0.safetensors").read_bytes())
    assert set(published(tmp_path, players, monkeypatch)[1]) == {str(weights)}
    monkeypatch.setattr(tiers, "SCRIPTS", (tmp_path / "kiter.py",))
    (tmp_path / "kiter.py").write_text("another script", encoding="utf-8")
    assert set(published(tmp_path, players, monkeypatch)[1]) == {"kiter"}


def test_players_that_the_figures_could_not_tell_apart_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        published(tmp_path, "runs/a/pilot.safetensors,pilot", monkeypatch)
    assert "two players are called pilot" in capsys.readouterr().err


def test_the_interval_of_a_share_is_wilsons_and_says_something_where_all_is_won() -> None:
    low, high = tiers.wilson(40, 40)
    assert (round(low, 4), high) == (0.9124, 1.0)
    low, high = tiers.wilson(38, 40)
    assert (round(low, 4), round(high, 4)) == (0.835, 0.9862)
