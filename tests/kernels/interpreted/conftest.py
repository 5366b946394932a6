"""These tests run in a process of their own under TRITON_INTERPRET=1; `tests/kernels/test_triton.py` starts it.

Elsewhere they are not collected. A kernel that is given bf16 here is an error: the interpreter computes it wrongly.
"""

from __future__ import annotations

import os

if os.environ.get("TRITON_INTERPRET") != "1":
    collect_ignore_glob = ["*"]
else:
    import pytest
    import torch

    from kernels.launch import Launch

    @pytest.fixture(autouse=True)
    def _bf16_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
        run = Launch.run

        def guarded(launch: Launch) -> None:
            tensors = [t for t in launch.arguments.values() if isinstance(t, torch.Tensor)]
            assert all(t.dtype != torch.bfloat16 for t in tensors), "bf16 is computed wrongly by Triton's interpreter"
            run(launch)

        monkeypatch.setattr(Launch, "run", guarded)
