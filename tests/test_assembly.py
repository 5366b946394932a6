"""What is off is built as nothing, or as a part that says why."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from agent.assembly import build_cards, build_console, build_learning, build_playback, build_recorder


def shared(**options: Any) -> Any:
    return SimpleNamespace(options=SimpleNamespace(**options), policy=SimpleNamespace(name="kiter"), store=None)


def test_what_is_off_is_not_built() -> None:
    everything_off: Any = shared(recording=None, learn=True)
    assert build_recorder(everything_off, [], None, None) is None  # type: ignore[arg-type]
    assert build_learning(everything_off, None) is None, "nothing learns where no weights are kept"
    assert build_playback([], None) == [] and build_console(None, None, None) == []  # type: ignore[arg-type]


def test_who_chooses_cards_says_why_it_is_no_other() -> None:
    (off,) = build_cards(shared(wanted=None), None, None)
    assert "METABONK_USE_ACTIVE_INFERENCE=0" in off.status()["why"]
    (own,) = build_cards(shared(wanted="some"), None, None)
    assert own.status()["why"] == "the policy kiter takes no other's cards"
