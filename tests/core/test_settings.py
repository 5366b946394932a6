"""Settings: precedence, refusals, and messages that say what, where and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.errors import SettingsError
from agent.core.settings import Settings, env_name, fields, load_settings, settings_table


def test_defaults_apply_where_nothing_is_said() -> None:
    assert load_settings(None, {}) == Settings()


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[link]\nport = 1000\nhost = 'a'\nmax_enemies = 7\n", encoding="utf-8")
    environ = {"METABONK_BONKLINK_PORT": "2000", "METABONK_BONKLINK_HOST": "b"}
    settings = load_settings(file, environ)
    assert (settings.link.port, settings.link.host, settings.link.max_enemies) == (2000, "b", 7)


def test_the_default_file_is_read_where_it_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("metabonk.toml").write_text("[general]\nhttp_port = 0\n", encoding="utf-8")
    assert load_settings(None, {}).general.http_port == 0


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("true", True), ("TRUE", True), ("0", False), ("false", False)]
)
def test_booleans_are_written_in_four_ways(text: str, value: bool) -> None:
    assert load_settings(None, {"METABONK_USE_BONKLINK": text}).link.use_bonklink is value


@pytest.mark.parametrize(
    ("environ", "parts"),
    [
        ({"METABONK_BONKLINK_PROT": "1"}, ["METABONK_BONKLINK_PROT", "did you mean METABONK_BONKLINK_PORT"]),
        ({"METABONK_USE_BONKLINK": "yes"}, ["METABONK_USE_BONKLINK", "'yes'", "1, 0, true or false"]),
        ({"METABONK_HTTP_PORT": "eighty"}, ["METABONK_HTTP_PORT", "eighty", "whole number"]),
        ({"METABONK_HTTP_PORT": "65536"}, ["METABONK_HTTP_PORT", "65536", "less than or equal"]),
        ({"METABONK_BONKLINK_PIPE_NAME": "a\\b"}, ["METABONK_BONKLINK_PIPE_NAME"]),
    ],
)
def test_a_bad_variable_is_refused_by_name_with_the_remedy(environ: dict[str, str], parts: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, environ)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("variable", ["METABONK_SIMA2_GOAL", "METABONK_HTTP_PORT", "METABONK_LLM_TEMPERATURE"])
def test_a_value_without_an_end_is_shown_by_its_beginning(variable: str) -> None:
    with pytest.raises(SettingsError, match=variable) as caught:
        load_settings(None, {variable: "a\x1b" * 5000})
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[lnik]\nport = 1\n", ["[lnik]", "did you mean link"]),
        ("[link]\nprt = 1\n", ["link.prt", "did you mean port"]),
        ("[link]\nport = 'x'\n", ["link.port", "'x'"]),
        ("[link\n", ["my.toml"]),
        ("port = 1\n", ["[port]"]),
    ],
)
def test_a_bad_file_is_refused_by_name_with_the_place(tmp_path: Path, text: str, parts: list[str]) -> None:
    file = tmp_path / "my.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(file, {})
    for part in parts:
        assert part in str(caught.value)


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        load_settings(tmp_path / "none.toml", {})


def test_a_secret_is_shown_nowhere(tmp_path: Path) -> None:
    secret = "canary-0123456789"
    settings = load_settings(None, {"METABONK_HTTP_TOKEN": secret})
    assert settings.general.http_token.get_secret_value() == secret
    assert secret not in repr(settings) and secret not in str(settings.model_dump())


def test_other_variables_are_left_alone() -> None:
    assert load_settings(None, {"METABON_X": "1", "PATH": "/bin"}) == Settings()


def test_every_setting_has_a_variable_of_its_own_and_a_row() -> None:
    names = [env_name(field) for _, _, field in fields()]
    assert len(set(names)) == len(names)
    table = settings_table()
    assert all(f"`{name}`" in table for name in names)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_may_be_one_of_a_windows_editor(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_bytes("[link]\r\nport = 7\r\nhost = 'a'\r\n".encode(encoding))
    assert load_settings(file, {}).link.port == 7


def test_a_carriage_return_at_the_end_of_a_variable_does_not_count() -> None:
    """A file of variables with Windows' line ends leaves one."""
    given = {"METABONK_USE_BONKLINK": "0\r", "METABONK_BONKLINK_HOST": "pc.local\r", "METABONK_BONKLINK_PORT": "7\r"}
    link = load_settings(None, given).link
    assert (link.use_bonklink, link.host, link.port) == (False, "pc.local", 7)


def test_a_file_of_brackets_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.toml").write_text("a = " + "[" * 5000 + "]" * 5000, encoding="utf-8")
    with pytest.raises(SettingsError, match="deep.toml"):
        load_settings(tmp_path / "deep.toml", {})
