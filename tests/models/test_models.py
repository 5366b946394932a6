"""Networks: the liquid cell against its published implementation, the encoder's symmetries, the compiled copy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agent.control import encode
from agent.control.reflex.network import build_reflex, decide, look
from agent.control.untrained import default_sizes, untrained_tensors
from agent.models.actor_critic import Pilot
from agent.models.encoder import RunningNorm
from agent.models.liquid import CfCCell
from agent.models.policies import FlatPolicy
from agent.models.sizes import FlatSizes


def pilot(seed: int) -> Pilot:
    torch.manual_seed(seed)
    network = Pilot(default_sizes()).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.05)
    network.encoder.norm.mean.normal_()
    network.encoder.norm.var.uniform_(0.5, 2.0)
    return network


@pytest.mark.parametrize("seed", range(3))
def test_the_cell_equals_the_published_formula_and_has_the_names_of_shipped_weights(seed: int) -> None:
    torch.manual_seed(seed)
    cell = CfCCell(9, 7, 32)
    w = cell.state_dict()
    layers = ("backbone.0", "ff1", "ff2", "time_a", "time_b")
    assert set(w) == {f"{layer}.{part}" for layer in layers for part in ("weight", "bias")}
    h = torch.zeros(4, 7)
    for _ in range(8):
        x, timespan = torch.randn(4, 9), torch.rand(4, 1) * 3
        backbone = torch.cat([x, h], 1) @ w["backbone.0.weight"].T + w["backbone.0.bias"]
        b = 1.7159 * torch.tanh(0.666 * backbone)
        one, two, a, c = (b @ w[f"{n}.weight"].T + w[f"{n}.bias"] for n in ("ff1", "ff2", "time_a", "time_b"))
        share = torch.sigmoid(a * timespan + c)
        expected = torch.tanh(one) * (1.0 - share) + torch.tanh(two) * share
        h = cell(x, h, timespan).detach()
        assert torch.allclose(h, expected, atol=1e-6)


def test_a_sequence_with_times_of_its_own_is_each_row_alone() -> None:
    torch.manual_seed(0)
    policy = FlatPolicy(FlatSizes(3, 0, (2,), units=5))
    obs, elapsed_s = torch.randn(4, 6, 3), torch.rand(4, 6) * 0.4
    first = torch.zeros(4, 6, dtype=torch.bool)
    _, together = policy(obs, policy.initial(4), first, elapsed_s)
    for row in range(4):
        at = slice(row, row + 1)
        _, alone = policy(obs[at], policy.initial(1), first[at], elapsed_s[at])
        assert torch.allclose(alone[0], together[row], atol=1e-6)
    _, other = policy(obs, policy.initial(4), first, elapsed_s.flip(0))
    assert not torch.allclose(other, together, atol=1e-3), "times of other rows would change the memory"


def test_only_a_change_of_the_elapsed_time_changes_what_the_cell_gives() -> None:
    torch.manual_seed(0)
    cell = CfCCell(4, 8)
    x, h = torch.randn(1, 4), torch.randn(1, 8)
    one, again, other = (cell(x, h, torch.full((1, 1), t)) for t in (1.0, 1.0, 2.0))
    assert torch.equal(one, again) and (one - other).abs().max() > 1e-3


def test_the_running_normaliser_equals_the_moments_of_all_it_saw() -> None:
    rng, norm = np.random.default_rng(0), RunningNorm(3)
    data = rng.normal((1.0, -5.0, 0.0), (2.0, 0.1, 3.0), (500, 3)).astype(np.float32)
    for part in np.array_split(data, 7):
        norm.update(torch.from_numpy(part))
    assert np.allclose(norm.mean.numpy(), data.mean(0), atol=1e-4)
    assert np.allclose(norm.var.numpy(), data.var(0), atol=1e-3)


def batch(seed: int, tokens: int) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(seed)
    mask = torch.zeros(1, encode.TOKENS)
    mask[0, :tokens] = 1.0
    cards = torch.randn(1, encode.CARDS, encode.CARD_FEATURES, generator=g)
    cards[0, 2] = 0.0
    return (
        torch.randn(1, encode.SELF_FEATURES, generator=g),
        torch.randn(1, encode.TOKENS, encode.TOKEN_FEATURES, generator=g),
        mask,
        torch.rand(1, encode.SECTORS * encode.RING_FEATURES, generator=g),
        cards,
    )


def test_the_order_of_entities_and_what_is_masked_change_nothing() -> None:
    network = pilot(0)
    self_, tokens, mask, rings, _ = batch(1, 30)
    picture = torch.zeros(1, 64)
    before = network.encoder(self_, tokens, mask, rings, picture)
    order = torch.randperm(encode.TOKENS)
    turned = network.encoder(self_, tokens[:, order], mask[:, order], rings, picture)
    assert torch.allclose(before, turned, atol=1e-5)
    noisy = tokens.clone()
    noisy[0, 30:] += 100.0
    assert torch.allclose(before, network.encoder(self_, noisy, mask, rings, picture), atol=1e-5)
    changed = tokens.clone()
    changed[0, 3] += 1.0
    assert (before - network.encoder(self_, changed, mask, rings, picture)).abs().max() > 1e-4


def test_who_has_never_seen_pictures_does_not_act_on_one_and_can_learn_to() -> None:
    network = Pilot(default_sizes())
    self_, tokens, mask, rings, _ = batch(1, 30)
    none, some = torch.zeros(1, 64), torch.randn(1, 64)
    seen = network.encoder(self_, tokens, mask, rings, some)
    assert torch.equal(seen, network.encoder(self_, tokens, mask, rings, none))
    seen.square().sum().backward()
    gradient = network.encoder.join[0].weight.grad
    assert gradient is not None and gradient[:, -64:].abs().max() > 0.0


@pytest.mark.parametrize(("seed", "tokens"), [(0, 0), (1, 1), (2, 40), (3, 80)])
def test_the_compiled_network_equals_the_one_that_is_trained(seed: int, tokens: int) -> None:
    network = pilot(seed)
    reflex = build_reflex({k: v.numpy() for k, v in network.state_dict().items()})
    hidden = torch.randn(1, 64).tanh()
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    embedded = network.encoder.picture(torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous())
    picture = look(reflex, pixels)
    assert np.abs(embedded.numpy()[0] - picture).max() < 1e-5
    for step in range(3):
        self_, token, mask, rings, cards = batch(seed * 10 + step, tokens)
        ticks = 0.5 + step
        out = network(self_, token, mask, rings, cards, embedded, hidden, torch.full((1, 1), ticks))
        got = decide(
            reflex, self_.numpy()[0], token.numpy()[0], mask.numpy()[0], rings.numpy()[0], cards.numpy()[0], picture,
            hidden.numpy()[0], ticks,
        )  # fmt: skip
        for name, ours in (("axes_mean", got.axes), ("buttons", got.buttons), ("hidden", got.hidden)):
            assert np.abs(getattr(out, name).numpy()[0] - ours).max() < 2e-5, name
        assert np.abs(out.cards.numpy()[0, :2] - got.cards[:2]).max() < 2e-5 and got.cards[2] < -1e8
        assert abs(float(out.value[0]) - got.value) < 2e-5
        hidden = out.hidden


def test_the_same_seed_makes_the_same_untrained_pilot_and_leaves_the_random_state() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, two, three = untrained_tensors(1), untrained_tensors(1), untrained_tensors(2)
    assert all(np.array_equal(one[k], two[k]) for k in one)
    assert any(not np.array_equal(one[k], three[k]) for k in one)
    assert torch.equal(torch.rand(3), expected)
