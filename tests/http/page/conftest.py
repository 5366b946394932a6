"""The page's tests share one session and one browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.http.page.browsed import Shared


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A session that plays, and a browser."""
    made = Shared(tmp_path_factory.mktemp("page"))
    yield made
    made.close()
