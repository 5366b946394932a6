"""The arena with the installed game's own tables: what is taken, what is refused, and what stays as it was."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from agent.core.errors import SettingsError
from agent.games.arena import calibration
from agent.games.arena.calibration import FOES, load_calibration
from agent.games.arena.catalog import STATS, WEAPON_STATS, load_catalog
from agent.games.arena.game import ArenaGame
from agent.games.arena.rules_hash import FROZEN, rules_hash
from agent.games.hosting import build_game
from agent.games.options import HostOptions

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "tests" / "golden" / "game-data.json"


def changed(tmp_path: Path, **values: Any) -> Path:
    document = json.loads(FILE.read_text(encoding="utf-8"))
    document.update(values)
    path = tmp_path / "data.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_values_come_over_by_id_and_all_else_stays() -> None:
    loaded, default = load_calibration(FILE), load_catalog()
    rules, before = loaded.catalog.rules, default.rules
    goblin = [f["id"] for f in default.foes].index(12)
    assert dict(zip(FOES, rules.foes[goblin].tolist(), strict=True)) == pytest.approx(
        {"hp": 8, "damage": 16, "speed": 5.25, "cost": 1.5, "after": 3, "radius": 0.5, "resist": 0.5}
    )
    assert rules.foe_speed[goblin] == 5.25 and rules.foe_flies[goblin] == 1
    boss = [f["id"] for f in default.foes].index(19)
    assert rules.foes[boss][FOES.index("hp")] == 9500
    assert rules.foes[boss][FOES.index("after")] == -1, "bosses do not come with the waves"
    staff = dict(zip(WEAPON_STATS, rules.weapons[0].tolist(), strict=True))
    old = dict(zip(WEAPON_STATS, before.weapons[0].tolist(), strict=True))
    assert staff == pytest.approx(
        {**old, "damage": 12.5, "count": 2, "cooldown": 0.45, "knockback": 1.25, "crit": 0.02}
    )
    flame = [w["id"] for w in default.weapons].index(10)
    assert rules.weapons[flame][WEAPON_STATS.index("cooldown")] == pytest.approx(0.35), "0 is no cooldown here"
    assert rules.tome_value[0] == pytest.approx(0.09) and rules.tome_value[1] == before.tome_value[1]
    assert rules.timers_s.tolist() == [605, 540, 480] and rules.miniboss_left_s.tolist() == [415, 120]
    health = STATS.index("max_hp")
    assert rules.base[0][health] == 105 and rules.base[2][health] == 150, "Sir Oofie has his own"
    assert [w["name"] for w in default.weapons][int(rules.first_weapon[0])] == "Sword"
    assert loaded.taken == {"enemies": 2, "weapons": 2, "tomes": 1, "stages": 1, "base_stats": 2, "characters": 1}
    rows = [i for i in range(len(default.foes)) if i not in (goblin, boss)]
    assert np.array_equal(rules.foes[rows], before.foes[rows])


@pytest.mark.slow
def test_the_default_rules_are_untouched_and_a_calibrated_game_says_so() -> None:
    plain, other = ArenaGame(), ArenaGame(calibration=load_calibration(FILE))
    assert plain.rules == rules_hash() == FROZEN.read_text(encoding="utf-8").strip()
    assert other.rules.startswith(rules_hash() + "+1.0.69:") and len(other.rules) > len(plain.rules) + 20
    assert load_catalog().rules.foes[4][0] == 7


@pytest.mark.slow
def test_a_calibrated_arena_plays_by_its_values() -> None:
    from agent.core.types import Action

    plain, other = (build_game(HostOptions(game="arena", seed=5, start="run", calibration=c)) for c in (None, FILE))
    for _ in range(600):
        plain.tick(Action(move=(1.0, 0.0)))
        other.tick(Action(move=(1.0, 0.0)))
    assert plain.state().max_health == 100 and other.state().max_health == 105
    assert plain.state().enemies.tolist() != other.state().enemies.tolist()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schema": "bonklink-game-data/2"}, "schema"),
        ({"enemies": [{"id": 1}]}, "missing required field"),
        ({"fixed_delta_s": 0}, "fixed_delta_s"),
        ({"extra": 1}, "extra"),
        ({"stages": [{"map": "Forest", "stage": 0, "stage_time_s": -1, "check_new_enemy_s": 1}]}, "stage_time_s"),
        ({"tomes": [{"id": 0, "name": "x", "stat": "y", "way": "z", "value": "much"}]}, "value"),
        (
            {"enemies": [], "weapons": [], "tomes": [], "stages": [], "base_stats": {}, "characters": []},
            "was the dump cut short",
        ),
    ],
)
def test_a_file_that_breaks_the_schema_is_refused_by_place(
    tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    path = changed(tmp_path, **values)
    with pytest.raises(SettingsError, match=re.escape(str(path))) as caught:
        load_calibration(path)
    assert message in str(caught.value)


def test_what_is_no_file_or_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load_calibration(tmp_path / "none.json")
    (tmp_path / "cut.json").write_bytes(FILE.read_bytes()[:300])
    with pytest.raises(SettingsError, match="cut.json"):
        load_calibration(tmp_path / "cut.json")


def test_only_the_arena_takes_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="only the arena takes one"):
        build_game(HostOptions(game="gym:CartPole-v1", calibration=FILE))
    for game in ("bonklink://127.0.0.1:1", "gym:CartPole-v1"):
        command = [sys.executable, "-m", "agent", "play", "--game", game, "--policy", "random"]
        command += ["--calibration", str(FILE), "--no-http"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 2 and "only the arena takes one" in " ".join(done.stderr.split())


def test_the_plugin_writes_the_names_that_the_schema_reads() -> None:
    """The dump itself needs the game; its keys are compared as texts."""
    source = (ROOT / "plugins" / "BonkLink" / "GameDataDump.cs").read_text(encoding="utf-8")
    written = set(re.findall(r'(?:Key|Section)\((?:json, )?"(\w+)"', source))
    tables = [getattr(calibration, n) for n in dir(calibration) if isinstance(getattr(calibration, n), type)]
    read = {
        field.name
        for table in tables
        if issubclass(table, msgspec.Struct) and table.__name__ not in ("Calibration", "Catalog", "_Table")
        for field in msgspec.structs.fields(table)
    }
    assert written == read
    assert 'Schema = "bonklink-game-data/1"' in source


@pytest.mark.slow
def test_evaluate_names_the_calibration_in_its_report(tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    command = [
        sys.executable, "-m", "agent", "evaluate", "--policy", "random", "--episodes", "1", "--calibration", str(FILE),
        "--report", str(report),
    ]  # fmt: skip
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    assert "+1.0.69:" in json.loads(report.read_text(encoding="utf-8"))["rules"]


def test_a_file_with_a_byte_order_mark_is_the_same_and_a_deep_one_is_refused(tmp_path: Path) -> None:
    marked, deep = tmp_path / "bom.json", tmp_path / "deep.json"
    marked.write_bytes(b"\xef\xbb\xbf" + FILE.read_bytes())
    assert load_calibration(marked).name == load_calibration(FILE).name
    deep.write_text('{"characters":' + "[" * 100_000, encoding="utf-8")
    with pytest.raises(SettingsError, match="deep.json"):
        load_calibration(deep)
