"""Columns by name: as many names as columns, and numba takes them as numbers."""

from __future__ import annotations

import numpy as np
from numba import njit

from agent.control import encode
from agent.core.columns import EnemyColumn, RingColumn, SelfColumn, TokenColumn
from agent.core.types import FloatArray, Menu, ObjectKind


@njit
def _written(out: FloatArray) -> None:
    out[SelfColumn.HEALTH] = 1.0
    out[SelfColumn.LAST_AXES + 3] = 2.0


def test_compiled_code_takes_names_as_numbers() -> None:
    out = np.zeros(encode.SELF_FEATURES, np.float32)
    _written(out)
    assert (out[3], out[31]) == (1.0, 2.0) and out.sum() == 3.0


def test_the_names_cover_the_columns_that_the_encoding_has() -> None:
    assert max(SelfColumn) == encode.SELF_FEATURES - 1
    assert [*TokenColumn] == list(range(encode.TOKEN_FEATURES))
    assert RingColumn.STRONG + ObjectKind.PORTAL == encode.RING_FEATURES - 1
    assert [*EnemyColumn] == list(range(4))


def test_the_columns_of_menus_are_those_that_the_encoding_writes() -> None:
    at = {menu: SelfColumn.PLAYING + encode._MENUS.index(menu) + 1 for menu in encode._MENUS}
    assert (at[Menu.LEVEL_UP], at[Menu.ENCOUNTER]) == (SelfColumn.IN_LEVEL_UP, SelfColumn.IN_ENCOUNTER)
    assert max(at.values()) < SelfColumn.ELAPSED
