"""The arena as a hosted game: screens around the rules, and the state that the wire carries.

Owns one world and the menu that is open. Pictures come from `render`; pacing is the server's.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

from agent.core.errors import GameError, SettingsError
from agent.core.suggest import did_you_mean
from agent.core.types import Action, ByteArray, GameState, Menu, RunInfo, SceneInfo
from agent.games.arena import screens, view
from agent.games.arena import state as layout
from agent.games.arena.calibration import Calibration
from agent.games.arena.rules_hash import rules_hash
from agent.games.arena.screens import Screen
from agent.games.arena.stats import MAX_HP
from agent.games.arena.world import Worlds
from agent.games.options import check_capture

LOADING_TICKS = 45
_IN_RUN = (Menu.LEVEL_UP, Menu.CHEST, Menu.ENCOUNTER, Menu.PAUSE)
_EMPTY_OPTIONS: tuple[str, ...] = ()


def rules_name(calibration: Calibration | None) -> str:
    """What a measured claim names as its rules."""
    return rules_hash() if calibration is None else f"{rules_hash()}+{calibration.name}"


class ArenaGame:
    """The built-in game behind the contract of hosted games."""

    name = "arena"

    def __init__(
        self,
        *,
        capture_px: tuple[int, int] = (320, 180),
        calibration: Calibration | None = None,
        tier: int = 1,
        character: str = "Fox",
    ) -> None:
        check_capture(capture_px)
        self.calibration = calibration
        self.worlds = Worlds(1, calibration.catalog if calibration is not None else None)
        self.capture_size_px = capture_px
        self.tick_s = self.worlds.catalog.tick_s
        self.screen: Screen | None = None
        self._first = self.character, self.tier = self._cast(tier, character)
        self.banishing = False
        self._seed = 0
        self._run = 0
        self._previous = Action()
        self._ended = self._won = False
        self._renderer: Any = None
        self.reset(0)

    @property
    def rules(self) -> str:
        """Hash of the rules, see `rules_hash`, and the calibration's name where there is one."""
        return rules_name(self.calibration)

    @property
    def cast(self) -> dict[str, Any]:
        """Who begins a run and where, as a report says it; empty for the default character in tier 1."""
        character, tier = self._first
        return (
            {"tier": tier + 1, "character": self.worlds.catalog.characters[character]["name"]}
            if any(self._first)
            else {}
        )

    def _cast(self, tier: int, character: str) -> tuple[int, int]:
        """Character and tier as the rules count them; raises SettingsError where there is none of them."""
        names, tiers = [c["name"] for c in self.worlds.catalog.characters], len(self.worlds.catalog.rules.tiers)
        lower = [name.lower() for name in names]
        if character.lower() not in lower:
            near = did_you_mean(character, names)
            raise SettingsError(f"--character {character}: there are {', '.join(names)}{near}")
        if not 1 <= tier <= tiers:
            raise SettingsError(f"--tier {tier}: 1 to {tiers}")
        return lower.index(character.lower()), tier - 1

    @property
    def world(self) -> Any:
        """The record of the world; see `state.WORLD`."""
        return self.worlds.records[0]

    def reset(self, seed: int, *, start: str = "menu") -> None:
        """Begin at the main menu, or (`start="run"`) at the first tick of a run with the first character."""
        self._seed, self._run = seed, 0
        self.character, self.tier = self._first
        self._previous = Action()
        self._ended = self._won = False
        self._new_run()
        self.screen = None if start == "run" else screens.main_menu()

    def _new_run(self) -> None:
        """Run k of a game with seed s has its own seed, the same in every game with that seed."""
        digest = hashlib.sha256(f"{self._seed} {self._run}".encode()).digest()
        self.worlds.reset(0, int.from_bytes(digest[:8], "little"), character=self.character, tier=self.tier)
        self._run += 1
        self.banishing = False

    def close(self) -> None:
        """Nothing is held."""

    # --- ticks -------------------------------------------------------------------------------------------------

    def tick(self, action: Action) -> None:
        """Advance one tick: the open screen, or else the world."""
        previous, self._previous = self._previous, action
        self._ended = self._won = False
        if self.screen is None:
            self._play(action)
            return
        screen = self.screen
        screen.age_ticks += 1
        if screen.name == Menu.LOADING:
            if screen.age_ticks >= LOADING_TICKS:
                self.screen = None
            return
        if screen.age_ticks <= screens.SETTLE_TICKS:
            return
        screen.steer(action.move)
        pressed = None
        if action.click is not None:
            width, height = self.capture_size_px
            pressed = screen.at((action.click[0] + 0.5) / width, 1.0 - (action.click[1] + 0.5) / height)
        elif action.fire and not previous.fire:
            pressed = screen.focused()
        elif action.ability and not previous.ability:
            self._cancel(screen)
        if pressed is not None and pressed.enabled:
            self._press(pressed.meaning)

    def _play(self, action: Action) -> None:
        axes = (*action.move, *action.look)
        if not all(map(math.isfinite, axes)):  # compiled code reads them unchecked
            raise GameError(f"arena: an action with axes {axes}; finite numbers are needed")
        control = self.worlds.controls[0]
        control["move_x"], control["move_y"] = action.move
        control["look_x"], control["look_y"] = action.look
        control["jump"], control["slide"], control["interact"] = action.fire, action.ability, action.interact
        control["choice"] = layout.NONE
        self.worlds.step()
        self._follow()

    def _follow(self) -> None:
        """Open the screen that the world's phase asks for."""
        phase = int(self.world["phase"])
        offers = self.worlds.offers(0)
        if phase == layout.PLAY:
            self.screen = None
        elif phase == layout.LEVEL_UP:
            self._open_level_up()
        elif phase == layout.CHEST:
            self.screen = screens.chest(offers[0])
        elif phase == layout.ENCOUNTER:
            self.screen = screens.encounter(offers)
        else:
            self._ended, self._won = True, phase == layout.WON
            self.screen = screens.death() if phase == layout.DEAD else self._results()

    def _open_level_up(self) -> None:
        world = self.world
        self.screen = screens.level_up(
            self.worlds.offers(0),
            int(world["refreshes"]),
            int(world["skips"]),
            int(world["banishes"]),
            banishing=self.banishing,
        )

    def _results(self) -> Screen:
        return screens.results(screens.run_texts(self.world), won=int(self.world["phase"]) == layout.WON)

    def pause(self) -> None:
        """Open the pause menu; the keyboard's Esc. The wire has no button for it."""
        if self.screen is None:
            self.screen = screens.pause()

    # --- presses -----------------------------------------------------------------------------------------------

    def _choose(self, choice: int) -> None:
        self.worlds.controls[0]["choice"] = choice
        self.worlds.step()
        self._follow()

    def _cancel(self, screen: Screen) -> None:
        back = {Menu.CHARACTER: "back", Menu.MAP: "back", Menu.PAUSE: "resume", Menu.ENCOUNTER: "skip"}
        if screen.name == Menu.LEVEL_UP and self.banishing:
            self._press("banish")
        elif screen.name in back:
            self._press(back[screen.name])

    def _press(self, meaning: str) -> None:
        word, _, number = meaning.partition(" ")
        if word == "take":
            card = int(number)
            banishing, self.banishing = self.banishing, False
            self._choose(layout.BANISH + card if banishing else card)
        elif word in ("skip", "reroll"):
            self.banishing = False
            self._choose(layout.SKIP if word == "skip" else layout.REROLL)
        elif word == "banish":
            self.banishing = not self.banishing
            self._open_level_up()
        else:
            self._press_outside(word, number)

    def _press_outside(self, word: str, number: str) -> None:
        """Buttons of the screens outside a run."""
        name = self.screen.name if self.screen is not None else ""
        if word == "character":
            self.character = int(number)
            self._open_characters()
        elif word == "tier":
            self.tier = int(number)
            self._open_maps()
        elif word == "play" or (word == "back" and name == Menu.MAP):
            self._open_characters()
        elif word in ("back", "menu"):
            self.screen = screens.main_menu()
        elif word == "confirm" and name == Menu.CHARACTER:
            self._open_maps()
        elif word in ("confirm", "restart"):
            self._new_run()
            self.screen = Screen(Menu.LOADING, "LOADING", [])
        elif word == "continue":
            self.screen = self._results()
        elif word == "resume":
            self.screen = None
            self._follow() if int(self.world["phase"]) != layout.PLAY else None

    def _open_characters(self) -> None:
        catalog = self.worlds.catalog
        texts = [
            (c["name"], f"Weapon: {c['weapon']}", c["passive"], f"HP {c['base'].get('max_hp', 100)}")
            for c in catalog.characters
        ]
        self.screen = screens.character_select([c["name"] for c in catalog.characters], texts, self.character)

    def _open_maps(self) -> None:
        catalog = self.worlds.catalog
        stages = self.tier + 1
        text = (f"{stages} stage{'s' if stages > 1 else ''}", f"Enemies x{catalog.rules.tiers[self.tier]:.2f}")
        self.screen = screens.map_select(catalog.map_name, len(catalog.rules.tiers), self.tier, text)

    # --- what the wire carries -----------------------------------------------------------------------------------

    @property
    def in_run(self) -> bool:
        """True from the first tick of a run to its last, its pauses included."""
        return self.screen is None or self.screen.name in _IN_RUN

    def state(self) -> GameState:
        """The state after the last tick."""
        world, screen = self.world, self.screen
        paused = screen is not None and screen.name in _IN_RUN
        enemies, kinds, object_kinds, positions = view.seen(world, self.worlds.catalog.rules)
        offers = tuple(self.worlds.offers(0)) if paused else _EMPTY_OPTIONS
        return GameState(
            position=(float(world["x"]), float(world["y"]), float(world["z"])),
            velocity=(float(world["vx"]), float(world["vy"]), float(world["vz"])),
            health=float(world["hp"]),
            max_health=float(world["stats"][MAX_HP]),
            game_time_s=float(world["time_s"]),
            is_playing=self.in_run,
            is_paused=paused,
            enemies=enemies,
            current_menu=screen.name if screen is not None else Menu.PLAY,
            level_up_options=offers,
            run=self._run_info(),
            scene=SceneInfo(float(world["yaw"]), float(world["pitch"]), kinds, object_kinds, positions),
        )

    def _run_info(self) -> RunInfo:
        world = self.world
        return RunInfo(
            sequence=0,
            capture_time_us=0,
            capture_size_px=self.capture_size_px,
            screen_size_px=self.capture_size_px,
            rows_top_down=True,
            run_ended=self._ended,
            run_won=self._won,
            level=int(world["level"]),
            xp_fraction=float(world["level_xp"] / world["next_xp"]),
            kills=int(world["kills"]),
            gold=int(world["gold"]),
            damage_dealt=float(world["dealt"]),
            damage_taken=float(world["taken"]),
            run_seed=int(world["seed"]),
            reward=0.0,
        )

    def render(self) -> ByteArray:
        """The picture of the open screen or of play, u8 [h, w, 3]."""
        if self._renderer is None:
            from agent.games.arena.pictures.render import Renderer

            self._renderer = Renderer(self.capture_size_px)
        picture: ByteArray = self._renderer.draw(self)
        return picture
