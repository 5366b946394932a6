"""The TOML file of a population: how it is scheduled, what is searched, and within which bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from agent.core.errors import SettingsError
from agent.core.files import read_toml
from agent.games.options import check_bounds
from agent.learning.population import FACTORS, QUANTILE, RESAMPLE, Range, Switch, check_spaces

MIN_EPISODES: Final = 10
OF_PPO: Final[dict[str, tuple[float, float]]] = {
    "lr": (1e-8, 1.0), "entropy_weight": (0.0, 10.0), "gamma": (0.0, 0.99999), "lam": (0.0, 1.0), "clip": (1e-3, 1.0),
}  # fmt: skip
"""Hyper-parameters of a member, with the widest bounds."""
OF_ENVIRONMENTS: Final[dict[str, tuple[float, float]]] = {
    "reward_scale": (0.0, 1e4), "curiosity_beta": (0.0, 10.0), "imitation_beta": (0.0, 10.0),
}  # fmt: skip
"""The weight of the game's reward, and of curiosity and imitation beside it."""
OF_ARENA: Final[dict[str, tuple[float, float]]] = {
    name: (-100.0, 100.0)
    for name in (
        "minute", "kill", "level", "damage", "death", "win", "level_potential", "health_potential", "boss_potential",
    )
}  # fmt: skip
"""Weights of the arena's reward table, `core.rewards.tables.Weights`."""
KNOWN: Final = OF_PPO | OF_ENVIRONMENTS | OF_ARENA


def known_of(game: str) -> dict[str, tuple[float, float]]:
    """What may be searched on a game."""
    return OF_PPO | (OF_ARENA if game == "arena" else OF_ENVIRONMENTS)


DEFAULT_SEARCH: Final[dict[str, Range | Switch]] = {
    "lr": Range(1e-4, 1e-2), "entropy_weight": Range(1e-4, 0.1), "gamma": Range(0.9, 0.999, "discount"),
}  # fmt: skip


class PopulationConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a population goes.

    steps: of each member; interval: steps between two measurements. periods: one group for each, as equal as they can
    be; a member is compared when that many intervals have passed since it last was. explore False: nobody copies and
    nothing changes, which is a random search. episodes: that are played for each measurement; window: of them the
    fitness is the mean of, the newest. quantile, resample, factors: see `learning.population`. share: of the changes
    that a language model may propose. search: hyper-parameters and their ranges.
    """

    steps: int = 200_000
    interval: int = 8_192
    periods: tuple[int, ...] = (1, 8)
    explore: bool = True
    episodes: int = MIN_EPISODES
    window: int = 2 * MIN_EPISODES
    quantile: float = QUANTILE
    resample: float = RESAMPLE
    factors: tuple[float, float] = FACTORS
    share: float = 0.3
    search: dict[str, Range | Switch] = msgspec.field(default_factory=lambda: dict(DEFAULT_SEARCH))

    def check(self, where: str) -> None:
        """Raise SettingsError for what is out of bounds; where: the file, for the message."""
        bounds = {
            "steps": (1, 10**12), "interval": (1, 10**9), "quantile": (0.0, 0.5), "resample": (0.0, 1.0),
            "share": (0.0, 1.0), "episodes": (MIN_EPISODES, 10_000), "window": (MIN_EPISODES, 100_000),
        }  # fmt: skip
        for name, (low, high) in bounds.items():
            check_bounds(f"{where}: {name} =", getattr(self, name), low, high)
        if not self.periods or min(self.periods) < 1:
            raise SettingsError(f"{where}: periods = {list(self.periods)}: one or more whole numbers from 1")
        if not 0.0 < self.factors[0] < 1.0 < self.factors[1]:
            raise SettingsError(f"{where}: factors = {list(self.factors)}: one below 1 and one above")
        if not self.search:
            raise SettingsError(f"{where}: search: nothing is searched; name {', '.join(KNOWN)}")
        try:
            check_spaces(self.search, KNOWN)
        except SettingsError as error:
            raise SettingsError(f"{where}: {error}") from error

    def group_of(self, member: int, members: int) -> int:
        """The group of a member; groups follow one another, as equal as they can be."""
        return member * len(self.periods) // members


def load_config(path: Path | None) -> PopulationConfig:
    """The file's, or all defaults; raises SettingsError."""
    if path is None:
        return PopulationConfig()
    try:
        document = read_toml(path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"--config {path}: {error}") from error
    config = _converted(document, str(path))
    config.check(str(path))
    return config


def _converted(document: dict[str, Any], where: str) -> PopulationConfig:
    search = document.get("search")
    if isinstance(search, dict):
        document["search"] = {name: _with_kind(table) for name, table in search.items()}
    try:
        return msgspec.convert(document, PopulationConfig)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where}: {error}") from error


def _with_kind(table: Any) -> Any:
    """A table of the search with its kind: one without bounds is a switch."""
    if not isinstance(table, dict):
        return table
    return {"kind": "switch" if set(table) <= {"start"} else "number", **table}
