"""Options of hosting a game."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from agent.core.errors import SettingsError
from agent.core.user_code import is_user_code

Mode = Literal["real-time", "lock-step", "fast"]
FrameFormat = Literal["jpeg", "raw_rgb"]
DREAM: Final = "dream:"
"""Before the file of a world that is played as a game."""
Start = Literal["menu", "run"]
DESKTOP: Final = "desktop:"
MAX_FRAME_SKIP: Final = 64
MIN_PICTURE_PX: Final = 8
MAX_PICTURE_PX: Final = 256
MIN_CAPTURE_PX: Final = (84, 84)
MAX_CAPTURE_PX: Final = (1280, 720)
"""Width and height of the arena's pictures."""


class Sight(Protocol):
    """How a Gymnasium environment is looked at and stepped; None: as the weights were trained, else by default."""

    @property
    def frame_skip(self) -> int | None:
        """Steps for each action."""
        ...

    @property
    def picture_px(self) -> int | None:
        """Sides of a picture are at most so long."""
        ...

    @property
    def paint_flags(self) -> bool | None:
        """Flags are three colours, not a channel each."""
        ...


def check_view(sight: Sight) -> None:
    """Raise SettingsError where a number is out of its bounds."""
    check_bounds("--frame-skip", sight.frame_skip, 1, MAX_FRAME_SKIP)
    check_bounds("--picture-px", sight.picture_px, MIN_PICTURE_PX, MAX_PICTURE_PX)


def check_arena(options: GameOptions, game: str) -> None:
    """Raise SettingsError where an option of the arena is given for another game."""
    if game == "arena":
        return
    if options.calibration is not None:
        raise SettingsError(f"--calibration {options.calibration}: only the arena takes one, not {game}")
    if (options.tier, options.character) != (GameOptions.tier, GameOptions.character):
        raise SettingsError(f"--tier and --character: only the arena has them, not {game}")
    if options.capture != GameOptions.capture:
        raise SettingsError(f"--capture {options.capture}: only the arena takes one, not {game}")


def check_capture(capture_px: tuple[int, int]) -> None:
    """Raise SettingsError where the arena draws no pictures of this width and height."""
    for size, minimum, maximum, side in zip(
        capture_px, MIN_CAPTURE_PX, MAX_CAPTURE_PX, ("width", "height"), strict=True
    ):
        if not minimum <= size <= maximum:
            width, height = capture_px
            raise SettingsError(f"--capture {width}x{height}: the {side} goes from {minimum} to {maximum}")


def check_environment(options: GameOptions) -> None:
    """Raise SettingsError where an option of Gymnasium environments is given for another game."""
    if is_gymnasium(options.game):
        return
    for name in ("profile", "frame_skip", "picture_px", "paint_flags"):
        if getattr(options, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise SettingsError(f"{option}: only Gymnasium environments take it, not {options.game}")


def check_bounds(name: str, value: float | None, low: float, high: float) -> None:
    """Raise SettingsError where a value is given and not within `low` … `high`."""
    if value is not None and not low <= value <= high:
        raise SettingsError(f"{name} {value:g}: {low:g} to {high:g}")


@dataclass(frozen=True, kw_only=True)
class GameOptions:
    """Which game, and how the arena looks and plays, for every command that hosts games."""

    game: str = "arena"
    """arena, gym:[MODULE:]ID, dream:FILE (a world that was learned), desktop:WINDOW (a title or a command: a game on
    this desktop), or MODULE:FACTORY: an environment of your own."""
    capture: str = "320x180"
    """Picture size of a hosted arena, WIDTHxHEIGHT, from 84x84 to 1280x720."""
    tier: int = 1
    """Tier of a hosted arena, 1 to 3: so many stages, and stronger enemies."""
    character: str = "Fox"
    """Character of a hosted arena, by name, such as Megachad."""
    calibration: Path | None = None
    """bonklink-game-data.json that the plugin wrote: the arena with the installed game's own values."""
    profile: Path | None = None
    """TOML file with the pace and the action table of a Gymnasium environment, and what is a picture of it."""
    frame_skip: int | None = None
    """Steps of a Gymnasium environment for each action. Default: as the weights were trained, else the profile's."""
    picture_px: int | None = None
    """Pictures of a Gymnasium environment are at most so many pixels wide and high. Default: as the
    weights were trained, else 84."""
    paint_flags: bool | None = None
    """Show a picture of flags, as MinAtar's, as three colours, not a channel for each. Default: as the
    weights were trained, else channels."""

    @property
    def capture_px(self) -> tuple[int, int]:
        """Width and height of `capture`; raises SettingsError where it is not written so or out of bounds."""
        width, x, height = self.capture.lower().partition("x")
        if not (x and width.isdecimal() and height.isdecimal()):
            raise SettingsError(f"--capture {self.capture}: write WIDTHxHEIGHT, such as 320x180")
        size = int(width), int(height)
        check_capture(size)
        return size

    def from_run(self, seed: int) -> HostOptions:
        """The same game with a seed, from the start of a run: what is measured in lock-step."""
        return HostOptions(
            self.game, capture=self.capture, tier=self.tier, character=self.character, calibration=self.calibration,
            profile=self.profile, seed=seed, start="run",
            frame_skip=self.frame_skip, picture_px=self.picture_px, paint_flags=self.paint_flags,
        )  # fmt: skip


@dataclass(frozen=True)
class HostOptions(GameOptions):
    """What to host and how."""

    game: str = "arena"  # here not by name only: `host arena`
    _: KW_ONLY
    port: int = 5560
    """TCP port on 127.0.0.1; 0 picks one and prints it."""
    mode: Mode = "real-time"
    """real-time, lock-step (waits for each action) or fast (never waits)."""
    format: FrameFormat = "jpeg"
    """How pictures are sent."""
    frame_hz: float = 10.0
    """Pictures per second; other packets carry the state alone."""
    seed: int = 0
    """Seed of the game."""
    start: Start = "menu"
    """Where the arena begins: at its main menu, or in a run."""
    report: Path | None = None
    """Write the server's own counts and latencies here at the end."""
    window: bool = False
    """Play the arena yourself, in a window; clients see what you do."""
    stop_key: str = "Pause"
    """Key that ends a game on the desktop: Pause, ScrollLock, F8 to F12 or Insert."""
    record: bool = False
    """Record what is played, by you or by a client, into METABONK_RECORDINGS_DIR."""
    record_to: Path | None = None
    """Record into this folder instead."""


def is_hosted(game: str) -> bool:
    """True for games that this program hosts itself."""
    return not game.startswith(("bonklink://", "pipe://", "research://", "replay:"))


def is_recorded(game: str) -> bool:
    """True for a recording that is played as a game."""
    return game.startswith("replay:")


def is_desktop(game: str) -> bool:
    """True for `desktop:"Window title"` and `desktop:COMMAND`."""
    return game.startswith(DESKTOP)


def is_gymnasium(game: str) -> bool:
    """True for the games that are Gymnasium environments: gym:[MODULE:]ID, dream:FILE, MODULE:FACTORY of the user's."""
    return game.startswith(("gym:", DREAM)) or is_user_code(game)


def says_its_pace(game: str) -> bool:
    """True for environments whose own metadata say how many steps a second they make."""
    return game.startswith(DREAM) or is_user_code(game)
