"""Where things are kept when there is a home, and when there is none that takes files."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from agent.core import compiled, folders
from agent.core.errors import SettingsError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="homes of POSIX")


def homeless(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    """As in `docker run --user 12345`: without a home, and without a name that has one."""
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    if home:
        monkeypatch.setenv("HOME", home)
    else:
        monkeypatch.setattr("os.path.expanduser", str)
        monkeypatch.setattr("pwd.getpwuid", lambda user: {}[user])


def test_with_a_home_everything_lies_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    homeless(monkeypatch, str(tmp_path))
    found = [folders.config_folder(), folders.data_folder(), folders.cache_folder()]
    assert all(folder.is_relative_to(tmp_path) for folder in found) and list(tmp_path.iterdir()) == []
    assert folders.home_folder() == tmp_path


@pytest.mark.parametrize("home", ["", "/dev/null/x"])
def test_without_one_what_can_be_made_again_is_temporary(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homeless(monkeypatch, home)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = folders.cache_folder()
    assert folder.parent == tmp_path and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folders.cache_folder() == folder, "a later start finds what was compiled"


def test_without_a_home_the_setting_that_helps_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    homeless(monkeypatch, "")
    assert folders.home_folder() is None
    with pytest.raises(SettingsError, match="METABONK_HTTP_TOKEN"):
        folders.config_folder()
    with pytest.raises(SettingsError, match="METABONK_WEIGHTS_DIR"):
        folders.data_folder()


def test_a_temporary_folder_that_others_can_write_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(folders, "_SHARED_MEMORY", tmp_path / "none")
    theirs = tmp_path / f"metabonk-apex-{os.getuid()}"
    theirs.mkdir()
    theirs.chmod(0o777)
    assert folders.temporary_folder() is None, "another could put compiled code into it"
    theirs.chmod(0o700)
    assert folders.temporary_folder() == theirs
    theirs.rmdir()
    theirs.symlink_to(tmp_path)
    assert folders.temporary_folder() is None


def test_it_is_said_where_compiled_code_goes_when_the_home_takes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "ROOT", Path("/elsewhere/compiled"))
    monkeypatch.setenv(compiled.VARIABLE, "/elsewhere/compiled/0123")
    homeless(monkeypatch, "/dev/null/x")
    assert compiled.elsewhere().startswith("/dev/null/x") and "/elsewhere/compiled" in compiled.elsewhere()
    monkeypatch.setenv(compiled.VARIABLE, "/the/user/named/this")
    assert compiled.elsewhere() == ""


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a folder that takes no files")
def test_a_folder_that_the_user_named_is_left_where_it_takes_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_unusable", [])
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    monkeypatch.setenv(compiled.VARIABLE, "/dev/null/compiled")
    compiled.use_own_folder()
    assert Path(os.environ[compiled.VARIABLE]).parent == compiled.ROOT
    assert compiled.elsewhere().startswith("/dev/null/compiled takes no files")
