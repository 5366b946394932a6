"""Packages that only some exports need."""

from __future__ import annotations

import importlib
from typing import Any

from agent.core.errors import SettingsError


def needed(module: str, asked_by: str, extra: str) -> Any:
    """An optional package's module; raises SettingsError that names the command which installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SettingsError(f"{asked_by}: needs {module}; pip install 'metabonk-apex[{extra}]'") from error
