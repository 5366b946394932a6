"""The command `quantize`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console

from agent.commands.options import FLAT


@dataclass(frozen=True)
class QuantizeOptions:
    """Which weights, into which format, and how long they are tried."""

    weights: Path
    """A sealed .safetensors file of full precision."""
    _: KW_ONLY
    format: Literal["int8", "int4", "nvfp4"] = "int8"
    """int8 for a processor; int4 (compressed-tensors) or nvfp4 (ModelOpt) for a card."""
    out: Path | None = None
    """The new file. Default: beside the old one, with the format in its name."""
    episodes: int = 400
    """How many each of the two plays, at least 400."""
    seed: int = 0
    """Episode k plays seed + k."""


def quantize(options: Annotated[QuantizeOptions, FLAT]) -> int:
    """Quantise a pilot's weights; refused unless seeded episodes show that its score falls by less than 5 %."""
    from agent.training.quantize import quantize as run_quantize

    console, weights = Console(stderr=True), options.weights
    out = weights.with_name(f"{weights.stem}-{options.format}.safetensors") if options.out is None else options.out
    run_quantize(
        weights, options.format, out, episodes=options.episodes, seed=options.seed,
        say=lambda text: console.print(text, highlight=False, soft_wrap=True),
    )  # fmt: skip
    print(out)
    return 0
