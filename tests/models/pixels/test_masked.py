"""The transformer: what training sees of a picture is exactly what the cache shows in play."""

from __future__ import annotations

import torch

from agent.models.pixels.masked import Masked, packed, unpacked
from agent.models.pixels.sizes import DynamicsSizes

SIZES = DynamicsSizes(3, "maskgit", 2, units=32, layers=2, heads=2, window=6)


def model() -> Masked:
    torch.manual_seed(0)
    made = Masked(SIZES, (8, 5, 5, 5)).eval()
    for block in made.blocks:
        torch.nn.init.normal_(block.told.weight, std=0.3)
    return made


def test_tokens_are_packed_and_unpacked() -> None:
    codes = torch.randn(2, 3, 4, 8, 8)
    tokens = packed(codes)
    assert tokens.shape == (2, 3, 16, 16) and torch.equal(unpacked(tokens, 4), codes)
    assert torch.equal(tokens[0, 0, 0].reshape(2, 2, 4).permute(2, 0, 1), codes[0, 0, :, :2, :2])


def test_the_cache_gives_what_training_saw() -> None:
    made, length = model(), 5
    tokens, actions, regime = torch.randn(2, length, 16, 16), torch.randn(2, length, 3), torch.rand(2, length, 2)
    masked = torch.rand(2, length, 16) < 0.6
    whole = made(tokens, actions, masked, regime)
    cache = made.empty()
    for t in range(length):
        logits, _ = made.look(cache, tokens[:, t], actions[:, t], masked[:, t], regime[:, t])
        assert torch.allclose(logits, whole[:, t], atol=1e-4)
        cache = made.commit(cache, tokens[:, t], actions[:, t])
    assert cache.time == length and cache.keys[0].shape[2] == 17 * length


def test_nothing_is_seen_of_later_pictures_and_hidden_tokens() -> None:
    made = model()
    tokens, actions = torch.randn(1, 4, 16, 16), torch.randn(1, 4, 3)
    masked = torch.ones(1, 4, 16, dtype=torch.bool)
    masked[:, :, 0] = False
    base = made(tokens, actions, masked)
    other = tokens.clone()
    other[:, 2, 1:] += 1.0  # hidden in picture 2, clean for picture 3
    seen = made(other, actions, masked)
    assert torch.allclose(seen[:, :3], base[:, :3], atol=1e-6) and not torch.allclose(seen[:, 3], base[:, 3], atol=1e-3)
    earlier = actions.clone()
    earlier[:, 1] += 1.0
    heard = made(tokens, earlier, masked)
    assert torch.equal(heard[:, 0], base[:, 0]) and not torch.allclose(heard[:, 3], base[:, 3], atol=1e-4)


def test_the_oldest_picture_leaves_a_full_cache() -> None:
    made, cache = model(), model().empty()
    for _ in range(9):
        cache = made.commit(cache, torch.randn(1, 16, 16), torch.randn(1, 3))
    assert cache.time == 9 and cache.values[1].shape[2] == 17 * (SIZES.window - 1)
