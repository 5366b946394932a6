"""Cases in two number formats, of which the default run takes one each, in turns; the campaign takes both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

FORMATS = (torch.float16, torch.float32)


def crossed(names: str, cases: Sequence[tuple[Any, ...]]) -> pytest.MarkDecorator:
    """Every case with a `dtype` behind it. A kernel reads and writes formats at its edges, whatever the shape."""
    default = [pytest.param(*case, FORMATS[i % 2]) for i, case in enumerate(cases)]
    others = [pytest.param(*case, FORMATS[(i + 1) % 2], marks=pytest.mark.campaign) for i, case in enumerate(cases)]
    return pytest.mark.parametrize(f"{names}, dtype", [*default, *others])
