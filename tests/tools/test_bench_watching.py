"""The bench of watching: what counts as answered within a block, and the difference between neighbouring blocks."""

from __future__ import annotations

from tools.bench.watching import block_of, compare


def game(*answers_ms: float | None) -> dict[str, list[object]]:
    """Packets a second apart, None where one was not answered."""
    return {
        "sent_each": [float(at_s) for at_s in range(len(answers_ms))],
        "each": [(float(at_s), ms) for at_s, ms in enumerate(answers_ms) if ms is not None],
    }


def test_a_block_counts_what_was_sent_within_it_and_what_of_that_was_answered() -> None:
    seen = [game(9.0, 1.0, None, 3.0, 9.0), game(9.0, 1.0, 1.0, 1.0, None)]
    assert block_of(seen, 1.0, 4.0) == {"packets": 6, "answered_share": 0.83333, "p50_ms": 1.0, "p99_ms": 2.92}


def test_the_difference_is_that_of_neighbouring_blocks() -> None:
    def block(p99_ms: float) -> dict[str, float]:
        return {"answered_share": 1.0, "p50_ms": 1.0, "p99_ms": p99_ms}

    found = compare([block(2.0), block(8.0)], [block(2.4), block(8.4)])
    assert found["p99_ms"] == {"without": 5.0, "with": 5.4, "difference": 0.4, "low": 0.4, "high": 0.4}
    assert found["answered_share"]["difference"] == 0.0
