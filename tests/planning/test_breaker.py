"""The breaker opens after three failures in a row and closes on schedule."""

from __future__ import annotations

from agent.planning.breaker import Breaker


def test_it_opens_at_the_third_failure_for_half_a_minute_and_closes_by_one_success() -> None:
    breaker = Breaker()
    for now_s in (0.0, 1.0):
        breaker.heard(False, now_s)
        assert breaker.state(now_s) == "closed"
    breaker.heard(False, 2.0)
    assert not breaker.lets_through(2.0) and not breaker.lets_through(31.9)
    assert breaker.as_builtins(12.0) == {"state": "open", "failed": 3, "opened": 1, "closed": 0, "open_for_s": 20.0}
    assert breaker.state(32.0) == "half open" and breaker.lets_through(32.0)
    breaker.heard(True, 33.0)
    assert breaker.state(33.0) == "closed" and (breaker.opened, breaker.closed) == (1, 1)


def test_a_failure_while_half_open_opens_it_at_once() -> None:
    breaker = Breaker(failures=3, open_s=10.0)
    for _ in range(3):
        breaker.heard(False, 0.0)
    breaker.heard(False, 10.0)
    assert breaker.state(19.9) == "open" and breaker.opened == 2


def test_a_success_between_counts_anew() -> None:
    breaker = Breaker()
    for good in (False, False, True, False, False):
        breaker.heard(good, 0.0)
    assert breaker.state(0.0) == "closed"
