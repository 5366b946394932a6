"""The values that rooms exchange: game state, frame, observation, action.

Units: positions in metres (Unity: y is up), times in seconds unless the name says µs or ns,
pixels with the origin top-left unless the name says otherwise.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]
Vector2 = tuple[float, float]
Vector3 = tuple[float, float, float]


class ObjectKind(IntEnum):
    """Kinds of the objects that BLX2 lists."""

    XP = 1
    GOLD = 2
    HEALTH = 3
    CHEST = 4
    SHRINE = 5
    PORTAL = 6
    OTHER = 7


class Menu:
    """Names of `GameState.current_menu` that the wire defines; "" is play."""

    PLAY: Final = ""
    MAIN: Final = "MainMenu"
    CHARACTER: Final = "CharacterSelect"
    MAP: Final = "MapSelect"
    LOADING: Final = "Loading"
    LEVEL_UP: Final = "LevelUp"
    CHEST: Final = "Chest"
    ENCOUNTER: Final = "Encounter"
    PAUSE: Final = "Pause"
    DEATH: Final = "Death"
    RESULTS: Final = "Results"
    BOOT: Final = "Boot"
    SUB: Final = "SubMenu"


HUMAN: Final = "human"
"""The owner of what a person does; and the policy of a recording in which nothing else played."""
TAKEOVER_S: Final = 1.0
"""A person who pressed something plays until this long after letting go."""
STICK_RESTS_BELOW: Final = 0.1
"""Of an axis: a stick that nobody touches is seldom at 0."""


class HumanInput(msgspec.Struct, frozen=True, eq=True):
    """Trailer HINP: what a human pressed; click is 0…1 with the origin top-left."""

    version: int
    move: Vector2
    look: Vector2
    fire: bool
    ability: bool
    interact: bool
    ui_click: bool
    click: Vector2

    @property
    def is_pressed(self) -> bool:
        """True where the person does something."""
        if self.fire or self.ability or self.interact or self.ui_click:
            return True
        return max(map(abs, (*self.move, *self.look))) > STICK_RESTS_BELOW


class RunInfo(msgspec.Struct, frozen=True, eq=True):
    """Trailer BLX1: identity, timing and the run's counters.

    run_truncated: the end that `run_ended` tells of was a time limit's, neither death nor win.
    frame_time_us: when the packet's picture was captured, on the clock of `capture_time_us`; 0: none, or unknown.
    """

    sequence: int
    capture_time_us: int
    capture_size_px: tuple[int, int]
    screen_size_px: tuple[int, int]
    rows_top_down: bool
    run_ended: bool
    run_won: bool
    level: int
    xp_fraction: float
    kills: int
    gold: int
    damage_dealt: float
    damage_taken: float
    run_seed: int
    reward: float
    flags_reserved: int = 0
    run_truncated: bool = False
    frame_time_us: int = 0

    @property
    def picture_source(self) -> str | None:
        """How the game takes its pictures, "none" where it cannot; None where it does not say."""
        return _PICTURE_SOURCES[self.flags_reserved >> 4 & 3]


_PICTURE_SOURCES: Final = (None, "gpu-readback", "read-pixels", "none")
"""By bits 4 and 5 of BLX1's flags."""


class SceneInfo(msgspec.Struct, frozen=True, eq=False):
    """Trailer BLX2: camera and what lies around.

    camera_yaw_rad: 0 looks along +z, positive to the right; camera_pitch_rad: positive looks up.
    enemy_kinds: u8 [n], low 7 bits kind, high bit elite or boss, in the order of the state's enemies.
    object_kinds: u8 [m] of ObjectKind; object_positions: f32 [m, 3].
    """

    camera_yaw_rad: float
    camera_pitch_rad: float
    enemy_kinds: ByteArray
    object_kinds: ByteArray
    object_positions: FloatArray


class EnvObservation(msgspec.Struct, frozen=True, eq=False):
    """What a hosted environment itself observes: a picture u8 [h, w, channels] or None, and numbers f32 [n]."""

    picture: ByteArray | None
    numbers: FloatArray

    @property
    def shape(self) -> tuple[int, ...]:
        """The picture's, () where there is none."""
        return () if self.picture is None else self.picture.shape

    def row(self) -> FloatArray:
        """The picture's numbers, 0 … 255, and then the others, f32 [features]."""
        if self.picture is None:
            return self.numbers
        return np.concatenate([self.picture.reshape(-1).astype(np.float32), self.numbers])


class EnvAction(msgspec.Struct, frozen=True, eq=True):
    """An environment's own action: axes in −1 … 1, and one choice of each part, from 0; see `games.action_space`."""

    axes: tuple[float, ...] = ()
    choices: tuple[int, ...] = ()


class Shown(msgspec.Struct, frozen=True):
    """What a hosted environment shows and takes: a picture's shape, () for none, numbers, axes and branches.

    frame_skip: steps of the environment for each action.
    """

    shape: tuple[int, ...]
    numbers: int
    axes: int
    branches: tuple[int, ...]
    frame_skip: int = 1

    def describe(self) -> str:
        """In words."""
        parts = [f"a picture {' x '.join(map(str, self.shape))}"] if self.shape else []
        parts += [f"{self.numbers} numbers"] if self.numbers else []
        parts += [f"{self.axes} axes"] if self.axes else []
        parts += [f"choices of {', '.join(map(str, self.branches))}"] if self.branches else []
        parts += [f"{self.frame_skip} steps for each action"] if self.frame_skip > 1 else []
        return ", ".join(parts)


class GameState(msgspec.Struct, frozen=True, eq=False):
    """One tick of the game as the wire carries it.

    enemies: f32 [n, 4] = x, y, z, health. `unknown` is what follows the last known trailer, kept as it came. env: of a
    hosted Gymnasium environment, what it observes.
    """

    position: Vector3
    velocity: Vector3
    health: float
    max_health: float
    game_time_s: float
    is_playing: bool
    is_paused: bool
    enemies: FloatArray
    current_menu: str
    level_up_options: tuple[str, ...]
    human: HumanInput | None = None
    run: RunInfo | None = None
    scene: SceneInfo | None = None
    unknown: bytes = b""
    env: EnvObservation | None = None


class Packet(msgspec.Struct, frozen=True, eq=False):
    """One packet of the stream: a state, and the bytes of a frame (empty where the tick has none).

    state_bytes: the state as it came, empty where it came in another form.
    """

    state: GameState
    frame: bytes
    state_bytes: bytes = b""


class Frame(msgspec.Struct, frozen=True, eq=False):
    """A decoded picture, u8 [h, w, 3] RGB, upright.

    captured_at_s: when the game captured it, on this machine's clock; the arrival where the game does not say.
    """

    pixels: ByteArray
    captured_at_s: float
    received_at_s: float


class Pointer(msgspec.Struct, frozen=True, eq=True):
    """The mouse moves there without a click; capture pixels, origin bottom-left."""

    x_px: int
    y_px: int


class Keys(msgspec.Struct, frozen=True, eq=True):
    """Keys that go down (True) or up, in this order; codes of Linux' input-event-codes."""

    keys: tuple[tuple[int, bool], ...]


class Typed(msgspec.Struct, frozen=True, eq=True):
    """Text that is typed."""

    text: str


DeskInput = Pointer | Keys | Typed
"""What only games on a desktop take."""
KEY_ESC: Final = 1


class Action(msgspec.Struct, frozen=True, eq=True):
    """What the agent does for one tick.

    move, look: each component −1 … 1. click: capture pixels, origin bottom-left, or None.
    answers: sequence of the observation that this action was computed from, or None. env: what a hosted Gymnasium
    environment does, in place of the rest. desk: mouse, keys and text for a game on a desktop, in order.
    """

    move: Vector2 = (0.0, 0.0)
    look: Vector2 = (0.0, 0.0)
    fire: bool = False
    ability: bool = False
    interact: bool = False
    click: tuple[int, int] | None = None
    answers: int | None = None
    env: EnvAction | None = None
    desk: tuple[DeskInput, ...] = ()


NEUTRAL: Final = Action()


class Observation(msgspec.Struct, frozen=True, eq=False):
    """What a policy sees of one game at one instant.

    elapsed_s: since the observation before it, from the game's own clock where there is one.
    received_at_s: this machine's monotonic clock. frame may be older than the state, or absent.
    sequence: the game's own number, or None from a game without BLX1.
    is_first: first of an episode or after a reconnect; is_last: the run ended since the observation before;
    is_terminal: by death or win, not by a time limit; is_won: it ended with a win.
    by_human: a person plays; what the policy answers is not sent.
    """

    game: int
    state: GameState
    frame: Frame | None
    sequence: int | None
    elapsed_s: float
    received_at_s: float
    reward: float
    is_first: bool
    is_last: bool
    is_terminal: bool
    is_won: bool = False
    by_human: bool = False
