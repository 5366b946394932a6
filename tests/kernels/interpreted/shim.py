"""Teaches the interpreter of Triton 3.9 that a scale may be e4m3: it reads the byte of any scale as e8m0.

Test only. The canary beside it notices when Triton no longer needs this.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import triton.language as tl
from triton.runtime import interpreter


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode e4m3 scales for the rest of a test."""
    plain = interpreter._dot_scaled_scale_to_f32

    def decode(handle: Any, *rest: Any) -> Any:
        if handle.dtype != tl.float8e4nv:
            return plain(handle, *rest)
        return interpreter._convert_float(handle.data.view(np.uint8), tl.float8e4nv, tl.float32, None).view(np.float32)

    monkeypatch.setattr(interpreter, "_dot_scaled_scale_to_f32", decode)
