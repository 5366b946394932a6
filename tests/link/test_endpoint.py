"""Addresses of games: what is read, what is refused."""

from __future__ import annotations

import pytest

from agent.core.errors import SettingsError
from agent.link.endpoint import Endpoint, parse_endpoint


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("bonklink://", Endpoint("127.0.0.1", 5560)),
        ("bonklink://:7000", Endpoint("127.0.0.1", 7000)),
        ("bonklink://pc.local:7000", Endpoint("pc.local", 7000)),
        ("bonklink://[::1]:7000", Endpoint("::1", 7000)),
        ("bonklink://10.0.0.2", Endpoint("10.0.0.2", 5560)),
        ("pipe://BonkLink", Endpoint(pipe="BonkLink")),
    ],
)
def test_an_address_is_read(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "bonklink://a:0",
        "bonklink://a:65536",
        "bonklink://a:b",
        "http://a",
        "pipe://",
        r"pipe://a\b",
        "bonklink:/a",
        "x",
    ],
)
def test_what_is_no_address_is_refused_with_the_form_expected(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_endpoint(text)
    assert text in str(caught.value)


def test_games_of_a_swarm_are_numbered_by_port_or_by_name() -> None:
    assert Endpoint("a", 5560).numbered(3) == Endpoint("a", 5563)
    assert Endpoint(pipe="B").numbered(2) == Endpoint(pipe="B2")
    assert Endpoint(pipe="B").pipe_path == r"\\.\pipe\B"


def test_loopback_is_told_from_the_rest() -> None:
    assert [Endpoint(h).is_loopback for h in ("127.0.0.1", "::1", "localhost", "10.0.0.1", "pc.local")] == [
        True, True, True, False, False,
    ]  # fmt: skip
