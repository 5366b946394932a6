"""A policy that the user wrote, played by `--policy MODULE:FACTORY`. It has one of two forms.

The short one is a class with `act`, which plays one game::

    from agent.core.types import Action, Observation

    class Walker:
        def act(self, observation: Observation) -> Action:
            return Action(move=(1.0, 0.0))

The long one is a class with `step`, which plays all games at once; see `agent.control.policy.Policy`. There `initial`
and `warm_up` may be left out. FACTORY is called with `seed`, an int, where it takes a parameter of that name.

Of the short form every game has an object of its own, with a seed of its own; an evaluation makes a new one for each
episode. In play `observation.is_first` tells that an episode begins.
"""

from __future__ import annotations

import inspect
import math
import reprlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from agent.control.policy import Policy
from agent.core.errors import UserCodeError
from agent.core.types import Action, Observation
from agent.core.user_code import Calling, load_factory

_OPTION: Final = "--policy"


def build_user_policy(spec: str, seed: int) -> Policy:
    """The policy that MODULE:FACTORY makes; raises UserCodeError where it makes none."""
    factory, where = load_factory(_OPTION, spec), f"{_OPTION} {spec}"
    with Calling(where, "the signature"):
        parameters = inspect.signature(factory).parameters.values()
    takes_seed = any(p.name == "seed" or p.kind is p.VAR_KEYWORD for p in parameters)

    def make(seed: int) -> Any:
        with Calling(where, spec.rpartition(":")[2]):
            return factory(seed=seed) if takes_seed else factory()

    made = make(seed)
    if callable(getattr(made, "step", None)):
        return UserPolicy(spec, made)
    if callable(getattr(made, "act", None)):
        return UserPlayers(spec, seed, made, make)
    raise UserCodeError(
        f"{where}: made a {type(made).__name__}, which has neither act(observation) nor step(carry, observations)"
    )


class UserPlayers:
    """One object of the user's for each game; each is asked for the actions of its own game."""

    def __init__(self, spec: str, seed: int, first: Any, make: Callable[[int], Any]) -> None:
        self.name = spec
        self._seed = seed
        self._first: Any = first
        self._make = make
        self._calling = Calling(f"{_OPTION} {spec}", "act")

    def warm_up(self) -> None:
        """Nothing is known to be slow."""

    def initial(self, games: int) -> list[Any]:
        """A player for each game; game i has the seed of game 0 plus i."""
        made = [self._first] if self._first is not None else []
        self._first = None
        return made + [self._make(self._seed + i) for i in range(len(made), games)]

    def step(
        self, carry: list[Any], observations: Sequence[Observation | None]
    ) -> tuple[list[Any], list[Action | None]]:
        """One action for each observation."""
        actions: list[Action | None] = []
        for player, observation in zip(carry, observations, strict=True):
            if observation is None:
                actions.append(None)
                continue
            with self._calling:
                action = player.act(observation)
            actions.append(checked_action(action, f"{_OPTION} {self.name}: act", observation))
        return carry, actions


class UserPolicy:
    """A user's policy of all games at once, with what it leaves out filled in, and its actions checked."""

    def __init__(self, spec: str, policy: Any) -> None:
        self.name = spec
        self._policy = policy
        self._where = f"{_OPTION} {spec}"
        self._calling = Calling(self._where, "step")

    def warm_up(self) -> None:
        """Do what the user's `warm_up` does, where there is one."""
        if hasattr(self._policy, "warm_up"):
            with Calling(self._where, "warm_up"):
                self._policy.warm_up()

    def initial(self, games: int) -> Any:
        """The user's first carry; None where there is no `initial`."""
        if not hasattr(self._policy, "initial"):
            return None
        with Calling(self._where, "initial"):
            return self._policy.initial(games)

    def step(self, carry: Any, observations: Sequence[Observation | None]) -> tuple[Any, list[Action | None]]:
        """The user's step; raises UserCodeError where it does not give one action for each observation."""
        where = f"{self._where}: step"
        with self._calling:
            returned = self._policy.step(carry, observations)
        if not (isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], list | tuple)):
            raise UserCodeError(f"{where} returned {reprlib.repr(returned)}; a carry and a list of actions are needed")
        carry, proposed = returned
        if len(proposed) != len(observations):
            raise UserCodeError(f"{where} returned {len(proposed)} actions for {len(observations)} games")
        return carry, [
            None if observation is None else checked_action(action, where, observation)
            for action, observation in zip(proposed, observations, strict=True)
        ]


def checked_action(action: Any, where: str, observation: Observation) -> Action:
    """The action as plain numbers, answering the observation; raises UserCodeError where it cannot be sent."""
    if not isinstance(action, Action):
        raise UserCodeError(f"{where} returned {reprlib.repr(action)}; an agent.core.types.Action is needed")
    try:
        (move_x, move_y), (look_x, look_y) = action.move, action.look
        axes = float(move_x), float(move_y), float(look_x), float(look_y)
        click = None if action.click is None else (int(action.click[0]), int(action.click[1]))
    except (TypeError, ValueError, IndexError) as error:
        raise UserCodeError(f"{where} returned {action}: move, look and click are pairs of numbers") from error
    if not all(math.isfinite(axis) for axis in axes) or (click is not None and min(click) < 0):
        raise UserCodeError(f"{where} returned {action}: numbers must be finite, and a click inside the picture")
    return Action(
        move=axes[:2], look=axes[2:], fire=bool(action.fire), ability=bool(action.ability),
        interact=bool(action.interact), click=click, answers=observation.sequence,
    )  # fmt: skip
