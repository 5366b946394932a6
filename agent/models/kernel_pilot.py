"""The pilot's step on a card, out of `kernels`: `cfc_cell` for the memory, four-bit linears where weights are four-bit.

Pure tensor operations of fixed shapes, so that a whole step can be captured in one CUDA graph. On a CPU the same code
runs the kernels' references: exact, for tests, not for play. Owns its tensors; no stream and no graph.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from agent.models.quantised import Tensors, expand, int4_layer, nvfp4_layer
from kernels.cfc_cell import CfcWeights, cfc_cell
from kernels.int4 import Int4Weight
from kernels.nvfp4_linear import Nvfp4Words, nvfp4_linear_w4a16, to_words
from kernels.w4a16_linear import w4a16_linear

GATES = ("memory.ff1", "memory.ff2", "memory.time_a", "memory.time_b")
HEADS = ("axes", "buttons", "value")
Weight = Tensor | Int4Weight | Nvfp4Words


class StepInputs(NamedTuple):
    """One step of B games: what `models.actor_critic.Pilot` takes."""

    self_: Float[Tensor, "B S"]
    tokens: Float[Tensor, "B N F"]
    mask: Float[Tensor, "B N"]
    rings: Float[Tensor, "B R"]
    cards: Float[Tensor, "B C K"]
    picture: Float[Tensor, "B P"]
    hidden: Float[Tensor, "B U"]
    elapsed_ticks: Float[Tensor, " B"]


class StepOutputs(NamedTuple):
    """Axes, buttons and value side by side; logits of the cards; the next hidden state."""

    heads: Float[Tensor, "B 8"]
    cards: Float[Tensor, "B C"]
    hidden: Float[Tensor, "B U"]


def _moved(weight: Any, device: torch.device, dtype: torch.dtype) -> Any:
    if isinstance(weight, Tensor):
        return weight.to(device, dtype if weight.dtype == torch.float32 and weight.ndim else weight.dtype)
    return type(weight)(*(_moved(v, device, dtype) if isinstance(v, Tensor) else v for v in weight))


def _stacked(parts: list[Int4Weight]) -> Int4Weight:
    """Rows of several INT4 layers with the same inputs as one."""
    zeros = None if parts[0].zeros is None else torch.cat([p.zeros for p in parts if p.zeros is not None])
    words, scales = torch.cat([p.words for p in parts]), torch.cat([p.scales for p in parts])
    return Int4Weight(words, scales, zeros, parts[0].k, parts[0].group)


class KernelPilot:
    """A pilot's weights on one device, and its step."""

    def __init__(self, tensors: Tensors, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self._tensors = tensors
        plain = expand(tensors)
        self._plain = {name: torch.from_numpy(np.ascontiguousarray(t)) for name, t in plain.items()}
        self._linear = {
            name: self._weight(name)
            for name in ("encoder.flat.0", "encoder.token.0", "encoder.token.2", "encoder.join.0", "trunk.0", "card.0",
                         "card.2")
        }  # fmt: skip
        self._bias = {name: self._dense(f"{name}.bias") for name in self._linear}
        self._norms = {
            name: (self._dense(f"{name}.weight"), self._dense(f"{name}.bias"))
            for name in ("encoder.flat.1", "encoder.join.1", "trunk.1")
        }
        var, mean = self._plain["encoder.norm.var"], self._plain["encoder.norm.mean"]
        self._factor = _moved(torch.rsqrt(var + 1e-4), device, torch.float32)
        self._mean = _moved(mean, device, torch.float32)
        self._memory = self._cell()
        self._heads = (
            _moved(torch.cat([self._plain[f"{h}.weight"] for h in HEADS]), device, dtype),
            _moved(torch.cat([self._plain[f"{h}.bias"] for h in HEADS]), device, dtype),
        )

    def _dense(self, name: str) -> Tensor:
        moved: Tensor = _moved(self._plain[name], self.device, self.dtype)
        return moved

    def _weight(self, name: str) -> Weight:
        four, float4 = int4_layer(self._tensors, name, self.dtype), nvfp4_layer(self._tensors, name)
        if four is not None:
            weight: Weight = _moved(four, self.device, self.dtype)
        elif float4 is not None:
            weight = _moved(to_words(float4), self.device, self.dtype)
        else:
            weight = self._dense(f"{name}.weight")
        return weight

    def _cell(self) -> CfcWeights:
        backbone = int4_layer(self._tensors, "memory.backbone.0", self.dtype)
        gates = [int4_layer(self._tensors, name, self.dtype) for name in GATES]
        biases = torch.cat([self._plain[f"{name}.bias"] for name in GATES])
        packed = [g for g in gates if g is not None]
        if backbone is not None and len(packed) == len(GATES):
            b: Weight = _moved(backbone, self.device, self.dtype)
            g: Weight = _moved(_stacked(packed), self.device, self.dtype)
        else:
            b = self._dense("memory.backbone.0.weight")
            g = _moved(torch.cat([self._plain[f"{name}.weight"] for name in GATES]), self.device, self.dtype)
        assert not isinstance(b, Nvfp4Words) and not isinstance(g, Nvfp4Words)
        bias = _moved(biases, self.device, self.dtype)
        return CfcWeights(b, self._dense("memory.backbone.0.bias"), g, bias)

    def _apply(self, name: str, x: Float[Tensor, "B I"], act: str = "none") -> Float[Tensor, "B O"]:
        weight, bias = self._linear[name], self._bias[name]
        if isinstance(weight, Int4Weight):
            return w4a16_linear(x, weight, bias, act)
        if isinstance(weight, Nvfp4Words):
            return nvfp4_linear_w4a16(x, weight, bias, act)
        y = functional.linear(x, weight, bias)
        return functional.silu(y) if act == "silu" else y

    def _norm(self, name: str, x: Float[Tensor, "B F"]) -> Float[Tensor, "B F"]:
        weight, bias = self._norms[name]
        return functional.silu(functional.layer_norm(x, weight.shape, weight, bias))

    def _rows(self, name: str, x: Float[Tensor, "B I"], act: str = "none") -> Float[Tensor, "B O"]:
        """A layer of many rows, at most 64 a call of a four-bit kernel."""
        if isinstance(self._linear[name], Tensor):
            return self._apply(name, x, act)
        return torch.cat([self._apply(name, part, act) for part in torch.split(x, 64)])

    def weights(self) -> dict[str, Any]:
        """Every live tensor, by the part of the step that reads it."""
        norms = {"norms": self._norms, "factor": self._factor, "mean": self._mean}
        return {"linear": self._linear, "bias": self._bias, "memory": self._memory, "heads": self._heads} | norms

    def step(self, inputs: StepInputs) -> StepOutputs:
        """One step of B games."""
        games, tokens = inputs.tokens.shape[:2]
        flat = torch.cat([inputs.self_, inputs.rings], 1).float()
        flat = ((flat - self._mean) * self._factor).clamp(-8.0, 8.0).to(self.dtype)
        flat = self._norm("encoder.flat.1", self._apply("encoder.flat.0", flat))
        rows = inputs.tokens.to(self.dtype).flatten(0, 1)
        token = self._rows("encoder.token.2", self._rows("encoder.token.0", rows, "silu")).view(games, tokens, -1)
        there = inputs.mask.to(self.dtype).unsqueeze(2)
        highest = torch.where(there > 0, token, -1e4).amax(1).clamp_min(-20.0)
        mean = (token * there).sum(1) / there.sum(1).clamp_min(1.0)
        seen = torch.cat([flat, highest, mean, inputs.picture.to(self.dtype)], 1)
        seen = self._norm("encoder.join.1", self._apply("encoder.join.0", seen))
        hidden = cfc_cell(seen, inputs.hidden.to(self.dtype), inputs.elapsed_ticks, self._memory)
        trunk = self._norm("trunk.1", self._apply("trunk.0", torch.cat([seen, hidden], 1)))
        cards = inputs.cards.to(self.dtype)
        context = torch.cat([trunk.unsqueeze(1).expand(-1, cards.shape[1], -1), cards], 2).flatten(0, 1)
        logits = self._rows("card.2", self._rows("card.0", context, "silu")).view(games, -1)
        logits = torch.where(cards.abs().sum(2) > 0, logits, -1e4)
        return StepOutputs(functional.linear(trunk, *self._heads), logits, hidden)
