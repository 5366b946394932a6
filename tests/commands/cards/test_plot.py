"""The picture of what is known: also of very little."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.commands.cards.plot import draw
from agent.core.errors import SettingsError
from agent.learning.causal.scientist import Effect, Interaction


def test_it_draws_nothing_one_card_and_a_graph(tmp_path: Path) -> None:
    effect = Effect(
        name="bow", outcome="score_s", offers=40, taken=10, effect=3.0, error=1.0, low=-1.0, high=7.0, believed=2.0,
        deviation=0.8, log_e=2.0, is_announced=False, menus_needed=300,
    )  # fmt: skip
    edge = Interaction(name="bow", other="axe", offers_with=30, offers_without=40, difference=-2.0, low=-4.0, high=-0.5)
    draw([], [], "score_s", tmp_path / "a.svg")
    draw([effect], [edge], "score_s", tmp_path / "b.svg")
    one, two = ((tmp_path / name).read_text(encoding="utf-8") for name in ("a.svg", "b.svg"))
    assert "bow (40)" in two and "bow (40)" not in one and ">axe<" in two.replace("-->", "") + ">axe<" * ("axe" in two)
    with pytest.raises(SettingsError, match="nothing was drawn"):
        draw([effect], [], "score_s", tmp_path / "none" / "c.svg")
