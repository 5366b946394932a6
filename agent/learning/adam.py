"""Adam and AdamW by torch's own function, without torch's class around it.

The class loads torch's compiler when it is first used (torch._dynamo, with sympy): a second of processor time and
100 MB, at every start of a learner, for nothing that is used here.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

BETAS = (0.9, 0.999)


class Adam:
    """Adam (Kingma & Ba 2015); with `weight_decay` AdamW (Loshchilov & Hutter 2019).

    fused: torch's one function for a whole step, which differs by rounding and is quicker on small networks.
    `state` holds step, exp_avg and exp_avg_sq of each parameter that was stepped, as torch.optim.Adam does.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        *,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        fused: bool = False,
    ) -> None:
        self.parameters = list(parameters)
        self._fused = fused
        self.lr, self.eps, self.weight_decay = lr, eps, weight_decay
        self.state: dict[Tensor, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        stepped = [p for p in self.parameters if p.grad is not None]
        for p in stepped:
            if p not in self.state:
                self.state[p] = {
                    "step": torch.zeros(()), "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p),
                }  # fmt: skip
        states = [self.state[p] for p in stepped]
        adam(
            list(stepped), [p.grad for p in stepped if p.grad is not None],
            [s["exp_avg"] for s in states], [s["exp_avg_sq"] for s in states], [], [s["step"] for s in states],
            fused=self._fused or None, decoupled_weight_decay=True, amsgrad=False, beta1=BETAS[0], beta2=BETAS[1],
            lr=self.lr, weight_decay=self.weight_decay, eps=self.eps, maximize=False,
        )  # fmt: skip
