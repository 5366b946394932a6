"""The C# toolchain and everything compiled with it, once a session."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.scripts import csharp
from tools.scripts.csharp import Toolchain, ToolchainError


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    """Compiler and runtime, as `python tools/check.py` installs them; without them the tests are skipped, in CI not."""
    found = csharp.find()
    if found.is_installed:
        return found
    if not os.environ.get("CI"):
        pytest.skip("no C# compiler; python -m tools.scripts.csharp install fetches one")
    try:
        csharp.install(found)
    except ToolchainError as error:
        pytest.fail(f"the C# compiler could not be installed: {error}")
    return found


@pytest.fixture(scope="session")
def built(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stubs, plugins and host, compiled without a warning."""
    out = tmp_path_factory.mktemp("csharp")
    csharp.build(toolchain, out)
    return out
