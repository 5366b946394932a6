"""The built-in game: rules to the bit, screens, pictures, and its face as a Gymnasium environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gymnasium
import msgspec
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import agent  # noqa: F401
from agent.core.errors import GameError, SettingsError
from agent.core.types import Action, Menu
from agent.games.arena import state as layout
from agent.games.arena import stats
from agent.games.arena.game import ArenaGame
from agent.games.arena.rules_hash import FROZEN, rules_hash
from agent.games.arena.world import Worlds

ROOT = Path(__file__).resolve().parents[3]
WALK = """
import numpy as np
from agent.games.arena.world import Worlds
def play(count, which, ticks=3000):
    worlds = Worlds(count)
    for w in range(count):
        worlds.reset(w, 40 + w, character=w % 8, tier=w % 3)
    for t in range(ticks // 30):
        a = t * 0.3
        worlds.controls["move_x"], worlds.controls["move_y"] = np.cos(a), np.sin(a)
        worlds.controls["choice"] = t % 3
        worlds.run(30)
    return worlds.content_hash(which)
"""


def test_the_same_seed_gives_the_same_world_to_the_bit_alone_among_many_and_in_another_process() -> None:
    space: dict[str, object] = {}
    code = compile(WALK, "walk", "exec")
    from types import FunctionType

    FunctionType(code, space)()
    play = space["play"]
    assert callable(play)
    first = play(4, 0)
    assert first == play(1, 0) and first != play(4, 1)
    done = subprocess.run(
        [sys.executable, "-c", WALK + "print(play(1, 0))"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == first


def test_the_rules_are_those_that_were_frozen() -> None:
    assert FROZEN.read_text(encoding="utf-8").strip() == rules_hash()


def test_the_catalog_is_broad_and_its_names_are_unique() -> None:
    catalog = Worlds(1).catalog
    rules = catalog.rules
    for names, minimum in (
        ([c["name"] for c in catalog.characters], 6),
        ([w["name"] for w in catalog.weapons], 10),
        ([t["name"] for t in catalog.tomes], 12),
        ([i["name"] for i in catalog.items], 15),
    ):
        assert len(names) == len(set(names)) >= minimum
    assert len(rules.foe_role) >= 10 and len(rules.tiers) == 3


def test_formulas_are_those_of_the_game() -> None:
    assert stats.shown_armor(0.75) == pytest.approx(0.4995)
    assert stats.shown_evasion(1.0) == pytest.approx(0.4995)
    assert stats.shown_armor(-1.0) == 0.0
    assert stats.xp_for_level(1) == 7.0
    assert float(stats.xp_for_level(10)) == pytest.approx(10**1.065 * 1.065 * 5 + 5, rel=1e-5)


def world(**values: object) -> Worlds:
    worlds = Worlds(1)
    worlds.reset(0, 11)
    for name, value in values.items():
        worlds.records[0][name] = value
    return worlds


def choose(worlds: Worlds, choice: int) -> None:
    worlds.controls["choice"] = choice
    worlds.step()
    worlds.controls["choice"] = layout.NONE


def levelling() -> Worlds:
    worlds = world(pending=1)
    worlds.step()
    assert worlds.records[0]["phase"] == layout.LEVEL_UP and len(worlds.offers(0)) == 3
    return worlds


def test_a_card_that_is_taken_changes_the_build_and_play_goes_on() -> None:
    for card in range(3):
        worlds = levelling()
        kind, what = (int(worlds.records[0][f"offer_{n}"][card]) for n in ("kind", "id"))
        before = worlds.records[0].copy()
        choose(worlds, card)
        after = worlds.records[0]
        assert after["phase"] == layout.PLAY
        changed = [
            n for n in ("weapon", "weapon_level", "tome", "tome_level") if not np.array_equal(before[n], after[n])
        ]
        assert changed
        if kind == layout.OFFER_WEAPON_NEW:
            assert what in after["weapon"]


def test_reroll_skip_and_banish_do_what_they_say_and_run_out() -> None:
    worlds = levelling()
    left = int(worlds.records[0]["refreshes"])
    assert left > 0
    seen = {tuple(worlds.offers(0))}
    for _ in range(left + 2):
        choose(worlds, layout.REROLL)
        seen.add(tuple(worlds.offers(0)))
    assert worlds.records[0]["refreshes"] == 0 and len(seen) >= 2
    banishes = int(worlds.records[0]["banishes"])
    choose(worlds, layout.BANISH)
    banned = sum(int(worlds.records[0][f"banned_{n}"].sum()) for n in ("weapon", "tome"))
    assert worlds.records[0]["banishes"] == banishes - 1 and banned == 1
    worlds = levelling()
    choose(worlds, layout.SKIP)
    assert worlds.records[0]["phase"] == layout.PLAY


def test_standing_among_enemies_ends_in_death_once_and_for_all() -> None:
    worlds = world()
    for _ in range(600):
        worlds.run(30)
        choose(worlds, 0)
        if worlds.records[0]["phase"] == layout.DEAD:
            break
    record = worlds.records[0]
    assert record["phase"] == layout.DEAD and record["hp"] == 0 and record["time_s"] > 5
    before = worlds.content_hash(0)
    played = worlds.run(100)
    assert played == 0 and worlds.records[0]["time_s"] == record["time_s"] and before


def test_the_swarm_comes_when_the_timer_is_over_and_grows_deadly() -> None:
    worlds = world(stage_s=Worlds(1).catalog.rules.timers_s[0] - 1.0, mortal=0, hp=100.0)
    worlds.run(600)
    assert worlds.records[0]["swarm_s"] > 5 and worlds.records[0]["foes"] > 20


def test_a_world_that_cannot_be_is_refused() -> None:
    with pytest.raises(GameError):
        Worlds(0)
    for bad in ({"character": 99}, {"tier": 3}):
        with pytest.raises(GameError):
            Worlds(1).reset(0, 1, **bad)


# --- screens ---------------------------------------------------------------------------------------------------


def press(game: ArenaGame, meaning: str) -> None:
    """Click the button with this meaning, after the screen has settled."""
    for _ in range(20):
        game.tick(Action())
    assert game.screen is not None
    button = next(b for b in game.screen.buttons if b.meaning == meaning)
    width, height = game.capture_size_px
    x, y = (button.rect[0] + button.rect[2]) / 2, (button.rect[1] + button.rect[3]) / 2
    game.tick(Action(click=(int(x * width), height - 1 - int(y * height))))
    game.tick(Action())


def menu(game: ArenaGame) -> str:
    return game.state().current_menu


def test_clicks_lead_from_the_main_menu_into_a_run_of_the_chosen_tier_and_character() -> None:
    game = ArenaGame()
    game.reset(1)
    assert menu(game) == Menu.MAIN and not game.state().is_playing
    press(game, "play")
    assert menu(game) == Menu.CHARACTER
    press(game, "character 3")
    press(game, "confirm")
    assert menu(game) == Menu.MAP
    press(game, "tier 1")
    press(game, "confirm")
    assert menu(game) == Menu.LOADING
    for _ in range(60):
        game.tick(Action())
    assert menu(game) == Menu.PLAY and game.state().is_playing
    assert (game.world["character"], game.world["tier"]) == (3, 1)


def test_pause_stops_time_and_resume_goes_on() -> None:
    game = ArenaGame()
    game.reset(1, start="run")
    game.tick(Action())
    game.pause()
    before = float(game.world["time_s"])
    for _ in range(30):
        game.tick(Action(move=(1.0, 0.0)))
    assert menu(game) == Menu.PAUSE and game.state().is_paused and game.world["time_s"] == before
    press(game, "resume")
    for _ in range(5):
        game.tick(Action())
    assert menu(game) == Menu.PLAY and game.world["time_s"] > before


def test_death_shows_results_and_another_run_can_be_begun() -> None:
    game = ArenaGame()
    game.reset(1, start="run")
    game.world["hp"], game.world["phase"] = 0.0, layout.DEAD
    game.tick(Action())
    state = game.state()
    assert state.current_menu == Menu.DEATH and not state.is_playing and state.run is not None and state.run.run_ended
    game.tick(Action())
    again = game.state().run
    assert again is not None and not again.run_ended
    press(game, "continue")
    assert menu(game) == Menu.RESULTS
    press(game, "restart")
    for _ in range(60):
        game.tick(Action())
    assert menu(game) == Menu.PLAY and game.world["time_s"] < 1.0


def test_captions_name_what_is_offered_and_what_it_changes() -> None:
    game = ArenaGame()
    game.reset(2, start="run")
    game.world["pending"] = 1
    game.tick(Action())
    options = game.state().level_up_options
    assert len(options) == 3 and all(":" in caption and "(" in caption for caption in options)


# --- pictures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(84, 84), (320, 180), (1280, 720)])
def test_a_picture_has_the_size_that_was_asked_for_and_shows_more_than_one_colour(size: tuple[int, int]) -> None:
    game = ArenaGame(capture_px=size)
    for start in ("menu", "run"):
        game.reset(1, start=start)
        picture = game.render()
        assert picture.shape == (size[1], size[0], 3) and picture.dtype == np.uint8
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


def test_the_same_moment_gives_the_same_picture_and_a_turn_another() -> None:
    one, two = ArenaGame(), ArenaGame()
    for game in (one, two):
        game.reset(4, start="run")
        for _ in range(120):
            game.tick(Action(move=(0.0, 1.0)))
    assert np.array_equal(one.render(), two.render())
    before = one.render().astype(int)
    for _ in range(20):
        one.tick(Action(look=(1.0, 0.0)))
    assert np.abs(one.render() - before).mean() > 5


@pytest.mark.parametrize("size", [(83, 84), (1281, 720), (84, 721)])
def test_a_size_beyond_the_limits_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(SettingsError, match="--capture"):
        ArenaGame(capture_px=size)


# --- Gymnasium ---------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*Box observation space")
def test_gymnasium_accepts_it_and_the_same_seed_gives_the_same_steps() -> None:
    env = gymnasium.make("metabonk/Arena-v0")
    check_env(env.unwrapped, skip_render_check=True)
    runs = []
    for _ in range(2):
        env.action_space.seed(3)
        env.reset(seed=3)
        steps = [env.step(env.action_space.sample()) for _ in range(200)]
        runs.append([(s[1], s[0]["player"].tobytes()) for s in steps])
    assert runs[0] == runs[1]


def test_the_state_has_what_the_wire_carries() -> None:
    from agent.link.wire import decode_state, encode_state

    game = ArenaGame()
    game.reset(9, start="run")
    for _ in range(900):
        game.tick(Action(move=(0.3, 1.0)))
    state = game.state()
    back = decode_state(encode_state(state))
    assert back.scene is not None and state.scene is not None
    assert np.array_equal(back.enemies, state.enemies) and np.array_equal(
        back.scene.enemy_kinds, state.scene.enemy_kinds
    )
    assert msgspec.structs.asdict(back)["level_up_options"] == state.level_up_options
    assert len(state.enemies) == len(state.scene.enemy_kinds) > 0 and len(state.scene.object_kinds) > 0
