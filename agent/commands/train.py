"""The commands `train` and `train outcomes`."""

from __future__ import annotations

import os
from typing import Annotated, Final

from cyclopts import App
from rich.console import Console

from agent.commands.options import FLAT
from agent.commands.starting import Starting
from agent.concurrency.child import no_helpers_left
from agent.core import compiled
from agent.training.options import OutcomesOptions, TrainOptions

app = App(name="train")
_OUTCOMES: Final = OutcomesOptions()


@app.default
def train(options: Annotated[TrainOptions, FLAT]) -> int:
    """Train a policy; the folder gets its weights, curve, TensorBoard files and checkpoints.

    With METABONK_SERVED_POLICY=dreamer it is the dreaming policy: world model and dreams, on games in lock-step.
    In the arena METABONK_REWARD_TABLE says what is paid.
    """
    from agent.commands.play import check_learner_device
    from agent.control.reward import load_weights
    from agent.core.clock import SystemClock
    from agent.core.settings import load_settings
    from agent.learning.configs import learner_budget

    settings = load_settings(options.config, os.environ)
    weights, budget = load_weights(settings.general.reward_table), None
    if settings.dreams.served_policy == "dreamer":
        budget = learner_budget(settings)
        check_learner_device(settings)
    console, clock = Console(stderr=True), SystemClock()
    starting = Starting(console, clock, compiles=compiled.is_cold() and options.game == "arena")
    with no_helpers_left(), starting:
        from agent.training.command import train as run_training

        starting.say("the first steps")
        return run_training(options, budget, clock, console, starting.close, weights)


@app.command
def outcomes(options: Annotated[OutcomesOptions, FLAT] = _OUTCOMES) -> int:
    """Train the model of outcomes that chooses cards in the arena, and seal it.

    The shipped pilot plays, with its cards replaced by any on offer with chance EPSILON. The file's manifest says how
    well held-out outcomes are foretold.
    """
    from agent.core.clock import SystemClock
    from agent.training.outcomes import train_outcomes

    return train_outcomes(options, SystemClock(), lambda text: print(text, flush=True))
