"""Codes: each is reachable, numbered once, and comes back as itself."""

from __future__ import annotations

import torch

from agent.models.pixels.sizes import TokenizerSizes
from agent.models.pixels.tokenizer import Quantizer, Tokenizer


def test_every_code_has_a_number_and_comes_back() -> None:
    quantizer = Quantizer((8, 5, 5, 5))
    grid = torch.cartesian_prod(*(torch.arange(n) for n in (8, 5, 5, 5)))[:, :, None, None]
    codes = quantizer.from_digits(grid)
    assert quantizer.codes == 1000 and torch.equal(quantizer.digits(codes), grid)
    assert torch.equal(quantizer.indices(codes).flatten(), torch.arange(1000))
    assert codes.min() == -1.0 and codes.max() <= 1.0


def test_rounding_hits_levels_and_passes_gradients() -> None:
    quantizer = Quantizer((8, 5, 5, 5))
    torch.manual_seed(0)
    z = (torch.randn(4, 4, 8, 8) * 3).requires_grad_()
    codes = quantizer(z)
    digits = quantizer.digits(codes.detach())
    assert torch.allclose(quantizer.from_digits(digits), codes.detach(), atol=1e-5)
    assert digits.amin() == 0 and digits[:, 0].amax() == 7 and digits[:, 1:].amax() == 4
    codes.sum().backward()
    assert z.grad is not None and (z.grad > 0).any()


def test_a_tokenizer_has_a_grid_of_eight() -> None:
    tokenizer = Tokenizer(TokenizerSizes(32, (16, 32)))
    frames = torch.rand(2, 3, 32, 32)
    assert tokenizer.encode(frames).shape == (2, 4, 8, 8) and tokenizer(frames).shape == frames.shape
