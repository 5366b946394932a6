"""Tensors with poison before and behind them: a read or a write outside shows in the result.

Floats and scales lie between NaNs, integers between a pattern that no weight here has.
"""

from __future__ import annotations

import torch

BAND = 256
_PATTERN = {torch.int32: 0x5A5A5A5A, torch.uint8: 0x7F}
_bands: list[tuple[torch.Tensor, torch.Tensor]] = []


def _raw(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.view(torch.uint8) if tensor.dtype == torch.float8_e4m3fn else tensor


def _poison(dtype: torch.dtype, size: int) -> torch.Tensor:
    value = _PATTERN.get(dtype)
    return torch.full((size,), float("nan") if value is None else value, dtype=dtype)


def guarded(tensor: torch.Tensor) -> torch.Tensor:
    """A copy between two bands of poison."""
    raw = _raw(tensor)
    whole = _poison(raw.dtype, raw.numel() + 2 * BAND)
    inside = whole[BAND : BAND + raw.numel()].view(raw.shape)
    inside.copy_(raw)
    _bands.append((whole, whole.clone()))
    return inside.view(tensor.dtype) if raw is not tensor else inside


def output(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Room for a result, poisoned too."""
    raw = torch.uint8 if dtype == torch.float8_e4m3fn else dtype
    size = int(torch.tensor(shape).prod())
    return guarded(_poison(raw, size).view(*shape).view(dtype) if raw != dtype else _poison(raw, size).view(*shape))


def check_bands() -> None:
    """No band was written to."""
    for whole, before in _bands:
        for part in (slice(None, BAND), slice(-BAND, None)):
            now, then = whole[part], before[part]
            assert torch.equal(now.view(torch.uint8), then.view(torch.uint8)), "a kernel wrote outside its tensors"
    _bands.clear()


def relative_error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Frobenius norm of the difference over that of what is wanted; infinite where a value is not finite."""
    if not torch.isfinite(found.double()).all():
        return float("inf")
    return float((found.double() - wanted.double()).norm() / wanted.double().norm())
