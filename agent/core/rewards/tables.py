"""Reward tables as values: what a change of a run's counters pays, and its end.

`score`, the default, pays the score: a minute survived is 1, a win pays the rest of the cap at once, death 0. Its
undiscounted return is the score in minutes. `counters` is the table of version 0.1.0: kills, levels, damage, and the
end. A TOML file may name weights of its own.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.core.errors import SettingsError
from agent.core.files import read_toml
from agent.core.suggest import did_you_mean

CAP_S: Final = 1200.0
"""The score's cap: time after it counts no more, and a win counts as if it were reached."""
MINUTE_S: Final = 60.0


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a table pays, and how potentials grow.

    minute: for each minute survived up to the cap, and at a win for each minute that is left of it. level: for a whole
    level of XP. damage: for damage of the size of the largest health. The potentials: level_potential is approached as
    levels rise, half of it at level 20; health_potential at full health; boss_potential for each dead boss, half
    of it for one that was called. gamma: the discount of a decision in `train`, of PPO and its potentials alike;
    learners of play have their own.
    """

    name: str = "custom"
    minute: float = 0.0
    kill: float = 0.0
    level: float = 0.0
    damage: float = 0.0
    death: float = 0.0
    win: float = 0.0
    level_potential: float = 0.0
    health_potential: float = 0.0
    boss_potential: float = 0.0
    gamma: float = 0.9995

    @property
    def label(self) -> str:
        """The name, and for a table that is not built in a hash of what it pays: two of one label pay alike."""
        if self in TABLES.values():
            return self.name
        return f"{self.name}-{hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:8]}"

    def change(self, kills: int, levels: float, damage: float, max_health: float, passed_s: float) -> float:
        """What differences of counters pay, none of them backwards; passed_s is of times that are cut at the cap."""
        return (
            self.kill * max(0, kills)
            + self.level * max(0.0, levels)
            + self.damage * max(0.0, damage) / max(1.0, max_health)
            + self.minute * max(0.0, passed_s) / MINUTE_S
        )

    def end(self, won: bool, ended_s: float) -> float:
        """What the end of a run pays beside its last change; no time limit's end."""
        return self.win + self.minute * max(0.0, CAP_S - ended_s) / MINUTE_S if won else self.death

    def potential(self, levels: Any, health: Any, bosses: Any) -> Any:
        """Φ of numbers or of arrays: levels with the share of the next, health in 0 … 1, bosses as above."""
        return (
            self.level_potential * levels / (levels + HALF_LEVEL)
            + self.health_potential * health
            + self.boss_potential * bosses
        )


OWN: Final = "own"
HALF_LEVEL: Final = 20.0
SCORE: Final = Weights("score", minute=1.0, level_potential=3.0, health_potential=1.0, boss_potential=2.0)
COUNTERS: Final = Weights("counters", kill=0.02, level=0.5, damage=-1.0, death=-5.0, win=10.0, gamma=0.998)
OUTCOMES: Final = COUNTERS
"""Outcomes of cards are counted in this, whatever else is paid: the model that ships foretells its bins."""
TABLES: Final = {table.name: table for table in (SCORE, COUNTERS)}
_RANGES: Final = {"gamma": (0.0, 1.0)}
_LARGEST: Final = 1e6


def load_weights(name: str) -> Weights:
    """The table of this name, or of a TOML file of weights; raises SettingsError saying what is wrong, and where."""
    if name in TABLES:
        return TABLES[name]
    if not name.endswith(".toml"):
        raise SettingsError(
            f"reward table {name[:80]!r}: there are {', '.join(TABLES)}, and a file of weights that ends in .toml"
            f"{did_you_mean(name, TABLES)}"
        )
    where = f"reward table {name!r}"
    try:
        table = msgspec.convert({"name": Path(name).stem, **read_toml(Path(name))}, Weights)
    except FileNotFoundError as error:
        raise SettingsError(f"{where}: no such file") from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"{where}: {error}") from error
    for field in msgspec.structs.fields(Weights):
        value = getattr(table, field.name)
        low, high = _RANGES.get(field.name, (-_LARGEST, _LARGEST))
        if field.name != "name" and not low <= value <= high:
            raise SettingsError(f"{where}: {field.name} = {value}: {low:g} to {high:g}")
    if table.name in (*TABLES, OWN):
        raise SettingsError(f"{where}: name = {table.name!r} is a built-in table's or a game's own; choose another")
    return table
