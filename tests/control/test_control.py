"""Players: what they see, what they do, how they are scored."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from agent.commands.evaluate import EvaluateOptions
from agent.commands.evaluate import evaluate as evaluate_command
from agent.control import encode, menus
from agent.control.arbiter import Arbiter
from agent.control.kiter import card_value
from agent.control.motor import Motor
from agent.control.policies import build_policy
from agent.control.reward import CAP_S, COUNTERS, RewardTable, load_weights
from agent.control.score import EpisodeResult, EpisodeTracker, summarise
from agent.core.clock import VirtualClock
from agent.core.errors import SettingsError
from agent.core.types import NEUTRAL, Action, EnvObservation, Frame, GameState, Menu, ObjectKind, Observation, SceneInfo
from agent.games.arena.game import ArenaGame
from agent.training.evaluate import evaluate
from tests.link.game_side import state

ROOT = Path(__file__).resolve().parents[2]


def observe(s: GameState, **changes: Any) -> Observation:
    values: dict[str, Any] = {
        "game": 0, "state": s, "frame": None, "sequence": 1, "elapsed_s": 1 / 60, "received_at_s": 0.0, "reward": 0.0,
        "is_first": False, "is_last": False, "is_terminal": False,
    }  # fmt: skip
    return Observation(**(values | changes))


def around(turn: float = 0.0, enemies: int = 60) -> GameState:
    """A scene, turned as a whole about the player."""
    rng = np.random.default_rng(3)
    c, s = math.cos(turn), math.sin(turn)

    def turned(points: np.ndarray) -> np.ndarray:
        x, z = points[:, 0] * c + points[:, 2] * s, -points[:, 0] * s + points[:, 2] * c
        return np.stack([x, points[:, 1], z], 1).astype(np.float32)

    foes = np.concatenate([turned(rng.normal(0, 12, (enemies, 3))), rng.uniform(1, 50, (enemies, 1))], 1)
    kinds = rng.integers(0, 255, enemies).astype(np.uint8)
    objects = rng.integers(1, 8, 50).astype(np.uint8)
    scene = SceneInfo(turn, -0.2, kinds, objects, turned(rng.normal(0, 15, (50, 3))))
    return msgspec.structs.replace(state(1), enemies=foes.astype(np.float32), scene=scene)


def encoded(s: GameState) -> encode.Encoded:
    out = encode.Encoded.empty(1)
    encode.encode_state(s, 1 / 60, NEUTRAL, out, 0)
    return out


def test_turning_the_world_with_the_camera_changes_nothing_that_is_seen() -> None:
    one, two = encoded(around(0.0)), encoded(around(1.1))
    for name in ("tokens", "mask", "rings"):
        assert np.allclose(getattr(one, name), getattr(two, name), atol=2e-4), name
    assert not np.allclose(one.rings, encoded(msgspec.structs.replace(around(0.0), scene=None)).rings)


def test_the_nearest_enemies_are_kept_nearest_first() -> None:
    out = encoded(around())
    d = np.hypot(out.tokens[0, : encode.ENEMIES, 0], out.tokens[0, : encode.ENEMIES, 1]) * 20
    expected = np.sort(np.hypot(around().enemies[:, 0], around().enemies[:, 2]))[: encode.ENEMIES]
    assert np.allclose(d, expected, atol=1e-3) and out.mask[0, : encode.ENEMIES].sum() == encode.ENEMIES


def test_a_row_is_written_anew_each_time() -> None:
    out = encode.Encoded.empty(1)
    encode.encode_state(around(), 0.1, Action((1.0, 1.0), fire=True), out, 0)
    encode.encode_state(state(1), 1 / 60, NEUTRAL, out, 0)
    assert all(np.array_equal(getattr(out, n), getattr(encoded(state(1)), n)) for n in ("self_", "tokens", "rings"))


def test_captions_are_hashed_the_same_in_every_process() -> None:
    features = encode.caption_features("Bow (Rare): Damage 10 > 12")
    assert np.flatnonzero(features).tolist() == np.flatnonzero(encode.caption_features("bow rare damage")).tolist()
    assert not np.array_equal(features, encode.caption_features("Axe (Rare): Damage 10 > 12"))
    code = "from agent.control.encode import caption_features as f; print(f('Bow (Rare): Damage 10 > 12').tolist())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout) == features.tolist()


def test_a_pilot_forgets_at_the_first_observation_and_plays_each_game_alone() -> None:
    pilot = build_policy("pilot", seed=3)
    assert isinstance(pilot, Motor)
    scenes = [around(t) for t in (0.0, 0.5)]
    pair, alone = pilot.initial(2), pilot.initial(1)
    for _ in range(5):
        pair, both = pilot.step(pair, [observe(s) for s in scenes])
        alone, one = pilot.step(alone, [observe(scenes[1])])
        assert both[1] == one[0] and both[0] is not None and both[0].answers == 1
    fresh = pilot.initial(1)
    fresh, first = pilot.step(fresh, [observe(scenes[0], is_first=True)])
    pair, again = pilot.step(pair, [observe(scenes[0], is_first=True), None])
    assert first[0] == again[0] and again[1] is None


def test_the_shipped_pilot_which_was_trained_without_pictures_does_not_act_on_one() -> None:
    pilot = build_policy("pilot", seed=3)
    pixels = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    shown = [None, Frame(pixels, 0.0, 0.0)]
    _, (blind, seeing) = pilot.step(pilot.initial(2), [observe(around(), frame=frame) for frame in shown])
    assert blind == seeing


@pytest.mark.parametrize("name", ["random", "kiter", "router", "pilot"])
def test_every_player_finds_its_way_from_the_main_menu_into_a_run(name: str) -> None:
    game, policy = ArenaGame(), build_policy(name, seed=1)
    game.reset(5)
    carry, menus_seen = policy.initial(1), set()
    for _ in range(900):
        menus_seen.add(game.state().current_menu)
        carry, actions = policy.step(carry, [observe(game.state())])
        assert actions[0] is not None
        game.tick(actions[0])
    assert {Menu.MAIN, Menu.CHARACTER, Menu.MAP, Menu.LOADING, Menu.PLAY} <= menus_seen
    assert game.world["time_s"] > 1.0


def test_a_card_is_reached_by_moving_down_and_submitting() -> None:
    s = msgspec.structs.replace(state(1), current_menu=Menu.LEVEL_UP, level_up_options=("a", "b", "c"))
    carry, presses = menus.MenuCarry(), []
    for _ in range(40):
        carry, action = menus.step(carry, s, 2)
        if action != NEUTRAL:
            presses.append("down" if action.move[1] < 0 else "submit")
    assert presses[:3] == ["down", "down", "submit"]


def test_the_kiter_wants_better_cards_more_and_curses_least() -> None:
    cards = [
        "Cursed Tome (Legendary): x",
        "Golden Tome (Common): x",
        "Damage Tome (Common): x",
        "Damage Tome (Epic): x",
    ]
    assert sorted(cards, key=card_value) == cards


@pytest.mark.slow
def test_the_kiter_outlives_the_random_player() -> None:
    scores = {
        name: evaluate(ArenaGame(), build_policy(name, seed=0), VirtualClock(), episodes=1, seed=50)["statistics"]
        for name in ("kiter", "random")
    }
    assert scores["kiter"]["score_s"]["mean"] > 2 * scores["random"]["score_s"]["mean"]


def test_a_name_that_is_no_policy_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="did you mean kiter"):
        build_policy("kitter")
    with pytest.raises(SettingsError, match="has no weights"):
        build_policy("kiter", weights=Path("x"))


def test_the_arbiter_clamps_and_refuses_and_names_the_owner() -> None:
    arbiter = Arbiter()
    assert arbiter.choose(Action((2.0, -3.0))).action.move == (1.0, -1.0)
    assert arbiter.choose(Action((1.0, 0.0))).owner == "motor"
    assert arbiter.choose(Action((1.0, 0.0)), "active_inference").owner == "active_inference"
    refused = arbiter.choose(Action(click=(-1, 0)), "active_inference")
    assert refused.action == NEUTRAL and refused.owner == "nobody"
    assert arbiter.choose(None).refused == "no_action" and arbiter.refused == {"click_outside": 1, "no_action": 1}


def counted(**run: Any) -> GameState:
    base = state(1).run
    assert base is not None
    return msgspec.structs.replace(state(1), run=msgspec.structs.replace(base, **run))


def test_rewards_follow_the_table_and_a_games_own_reward_goes_before_it() -> None:
    table, w = RewardTable(COUNTERS), COUNTERS
    assert table.of(observe(counted(level=1), is_first=True)) == 0.0
    changed = observe(counted(level=2, xp_fraction=0.5, kills=3, damage_taken=20.0))
    assert table.of(changed) == pytest.approx(3 * w.kill + 1.5 * w.level + 0.2 * w.damage)
    still = counted(level=2, xp_fraction=0.5, kills=3, damage_taken=20.0)
    assert table.of(observe(still, is_last=True, is_terminal=True)) == w.death
    assert table.of(observe(still, is_last=True, is_terminal=True, is_won=True)) == w.win
    assert table.of(observe(still, is_last=True)) == 0.0, "a time limit is no death"
    assert table.name == "counters"
    assert table.of(observe(counted(kills=99), reward=0.25)) == 0.25 and table.name == "own"
    assert table.of(observe(counted(kills=199))) == 0.0


def test_the_undiscounted_return_of_the_default_table_is_the_score_in_minutes() -> None:
    for end_s, won in ((300.0, False), (300.0, True), (1500.0, False)):
        tracker = EpisodeTracker()
        tracker.add(observe(msgspec.structs.replace(counted(kills=1), game_time_s=0.0), is_first=True))
        tracker.add(observe(msgspec.structs.replace(counted(kills=50, level=9), game_time_s=0.6 * end_s)))
        last = msgspec.structs.replace(counted(kills=99, damage_taken=80.0), game_time_s=end_s)
        result = tracker.add(observe(last, is_last=True, is_terminal=True, is_won=won))
        assert result is not None and result.episode_return == pytest.approx(result.score_s / 60.0, abs=1e-5)
        assert result.score_s == (CAP_S if won else min(end_s, CAP_S))


def test_a_table_of_ones_own_is_read_and_what_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("kill = 0.5\ngamma = 0.99\n", encoding="utf-8")
    mine = load_weights(str(path))
    assert (mine.name, mine.kill, load_weights("score").label) == ("mine", 0.5, "score")
    path.write_text("kill = 0.25\ngamma = 0.99\n", encoding="utf-8")
    assert mine.label.startswith("mine-") and mine.label != load_weights(str(path)).label
    path.write_text("kills = 0.5\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="kills"):
        load_weights(str(path))
    with pytest.raises(SettingsError, match="did you mean score"):
        load_weights("scor")


def test_an_environments_reward_is_its_own_also_before_the_first_that_is_not_zero() -> None:
    shown = msgspec.structs.replace(counted(kills=3), env=EnvObservation(None, np.zeros(2, np.float32)))
    assert RewardTable().of(observe(shown, is_last=True, is_terminal=True)) == 0.0


def test_a_score_is_capped_and_a_win_counts_as_the_cap() -> None:
    for time_s, won, score in ((100.0, False, 100.0), (5000.0, False, CAP_S), (100.0, True, CAP_S)):
        last = msgspec.structs.replace(counted(kills=7, level=4), game_time_s=time_s)
        result = EpisodeTracker().add(observe(last, is_last=True, is_terminal=True, is_won=won))
        assert result is not None and (result.score_s, result.survival_s) == (score, time_s)
        assert (result.kills, result.level) == (7, 4)


def test_episodes_are_summarised_by_measure() -> None:
    assert summarise([]) == {"count": 0}
    assert summarise([EpisodeResult(1.0, 1.0, False, 1, 1, 0.0, 1)])["score_s"]["mean"] == 1.0


def test_every_object_has_a_worth_or_none_for_the_kiter() -> None:
    from agent.control.kiter import _WORTH

    assert len(_WORTH) > max(ObjectKind)


def _report(folder: Path, name: str, seed: int) -> dict[str, Any]:
    path = folder / name
    command = [sys.executable, "-m", "agent", "evaluate", "--policy", "kiter", "--game", "arena"]
    command += ["--episodes", "1", "--seed", str(seed), "--report", str(path)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, timeout=600)
    return dict(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_report_in_two_processes(tmp_path: Path) -> None:
    one, here = _report(tmp_path, "1", 6), tmp_path / "2"
    asked = EvaluateOptions(policy="kiter", game="arena", episodes=1, seed=6, report=here)
    assert evaluate_command(asked) == 0
    two = json.loads(here.read_text(encoding="utf-8"))
    other = evaluate(ArenaGame(), build_policy("kiter", seed=4), VirtualClock(), episodes=1, seed=4)
    for report in (one, two):
        for key in [k for k in report if k.startswith("wall") or "latency" in k]:
            del report[key]
    assert one == two and one["action_hash"] != other["action_hash"] and len(one["rules"]) == 64
