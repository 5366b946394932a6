"""Addresses of games: what is read, what is refused."""

from __future__ import annotations

import pytest

from agent.core.errors import SettingsError
from agent.core.settings import load_settings
from agent.link.endpoint import Endpoint, parse_endpoint


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("bonklink://", Endpoint("127.0.0.1", 5560)),
        ("bonklink://:7000", Endpoint("127.0.0.1", 7000)),
        ("bonklink://pc.local:7000", Endpoint("pc.local", 7000)),
        ("bonklink://[::1]:7000", Endpoint("::1", 7000)),
        ("bonklink://10.0.0.2", Endpoint("10.0.0.2", 5560)),
        ("bonklink://[fe80::1%eth0]", Endpoint("fe80::1%eth0", 5560)),
        ("bonklink://\u00fcber.example:1", Endpoint("\u00fcber.example", 1)),
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
        "bonklink://::1:5560",
        "bonklink://[::1",
        "bonklink://[pc.local]:1",
        "bonklink://[::1]5560",
        "bonklink://a:123456",
        "bonklink://a..b",
        "bonklink://" + "a" * 64,
        "bonklink://a b",
        "bonklink://a\x00b",
        "bonklink://\udc80",
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


def test_no_game_of_a_swarm_has_a_port_that_does_not_exist() -> None:
    assert Endpoint("a", 65530).numbered(5).port == 65535
    with pytest.raises(SettingsError, match="game 6 of several would be at port 65536"):
        Endpoint("a", 65530).numbered(6)


def test_an_address_is_shown_as_it_is_read() -> None:
    for text in ("bonklink://[::1]:7000", "bonklink://pc.local:1", "pipe://B"):
        assert str(parse_endpoint(text)) == text


@pytest.mark.parametrize("host", ["::1", "[::1]", "0:0::0:1"])
def test_a_host_of_the_settings_may_be_an_address_of_ipv6(host: str) -> None:
    given = load_settings(None, {"METABONK_BONKLINK_HOST": host}).link.host
    assert str(parse_endpoint("bonklink://", default_host=given)) == "bonklink://[::1]:5560"


@pytest.mark.parametrize("host", ["127.0.0.1:5560", "a..b", "http://a", "a b", ":", "[]", "x" * 64, "a\x00"])
def test_a_host_of_the_settings_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match="METABONK_BONKLINK_HOST"):
        load_settings(None, {"METABONK_BONKLINK_HOST": host})


def test_loopback_is_told_from_the_rest() -> None:
    assert [Endpoint(h).is_loopback for h in ("127.0.0.1", "::1", "localhost", "10.0.0.1", "pc.local")] == [
        True, True, True, False, False,
    ]  # fmt: skip
