"""A package that is missing is named with the command that installs it."""

from __future__ import annotations

import pytest

from agent.core.errors import SettingsError
from agent.journal.export.packages import needed


def test_a_missing_package_is_named_with_its_command() -> None:
    assert needed("json", "JSON", "export").__name__ == "json"
    with pytest.raises(SettingsError, match=r"MP4: needs no_such_package; pip install 'metabonk-apex\[export\]'"):
        needed("no_such_package", "MP4", "export")
