"""Lessons in which a weapon's card is taken: few choices offer it, so it is also put among the cards that were offered.

Only the layers that judge cards learn here, from what the pilot saw at its choices. Where the weapon is not on offer
they keep to what the pilot would take. Owns the captions of the weapon that were seen, and an optimiser.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from agent.control.encode import CARD_FEATURES, CARDS, caption_features
from agent.core.columns import SelfColumn
from agent.games.arena.catalog import load_catalog
from agent.learning.adam import Adam
from agent.planning.cards import name_of
from agent.training.arena.lessons import Lessons
from agent.training.arena.stretch import Stretch

LR: Final = 1e-3
STEPS: Final = 40
"""Of the optimiser after each stretch."""
BATCH: Final = 256
MAX_CHOICES: Final = 4096
MAX_CAPTIONS: Final = 512


class WeaponCards:
    """Teaches a pilot's card layers to take a weapon. title: as captions begin with it."""

    def __init__(self, pilot: Any, weapon: int, *, seed: int) -> None:
        row = load_catalog().weapons[weapon]
        self.title = str(row["title"]).lower()
        self._pilot = pilot
        self._optimiser = Adam(pilot.card.parameters(), LR)
        self._random = np.random.default_rng(seed)
        self._captions: list[NDArray[np.float32]] = [caption_features(f"{row['title']} (New): {row['text']}")]
        self._contexts = torch.zeros(0, pilot.card[0].in_features - CARD_FEATURES)
        self._offered = torch.zeros(0, CARDS, CARD_FEATURES)
        self._taken = torch.zeros(0, dtype=torch.int64)

    def seen(self, captions: list[list[str]], choosing: NDArray[np.bool_]) -> None:
        """Captions that are on offer: those of the weapon are kept."""
        for row in np.flatnonzero(choosing):
            for caption in captions[int(row)]:
                if name_of(caption) == self.title and len(self._captions) < MAX_CAPTIONS:
                    self._captions.append(caption_features(caption))

    @torch.no_grad()
    def observe(self, policy: Any, stretch: Stretch) -> None:
        """Keep the choices of a stretch: what the pilot saw, the cards, and which it would take itself."""
        data, found = stretch.sequences, list[Tensor]()
        handle = self._pilot.trunk.register_forward_hook(lambda module, inputs, out: found.append(out))
        heads, _ = policy(data.obs, data.carry, data.is_first, data.elapsed_s)
        handle.remove()
        flat = data.obs.flatten(0, 1)
        choosing = flat[:, SelfColumn.IN_LEVEL_UP] + flat[:, SelfColumn.IN_ENCOUNTER] > 0
        cards = flat[choosing][:, -CARDS * CARD_FEATURES :].reshape(-1, CARDS, CARD_FEATURES)
        liked = heads.logits[3].flatten(0, 1)[choosing].argmax(1)
        self._contexts = torch.cat([self._contexts, found[0][choosing]])[-MAX_CHOICES:]
        self._offered = torch.cat([self._offered, cards])[-MAX_CHOICES:]
        self._taken = torch.cat([self._taken, liked])[-MAX_CHOICES:]

    def learn(self) -> float:
        """Some steps on kept choices, in half of which the weapon is put among the cards; the last loss."""
        loss = torch.zeros(())
        for _ in range(STEPS if len(self._taken) else 0):
            rows = torch.from_numpy(self._random.integers(0, len(self._taken), BATCH))
            cards, wanted = self._offered[rows].clone(), self._taken[rows].clone()
            put = np.arange(BATCH // 2)
            slots = self._random.integers(0, CARDS, len(put))
            which = self._random.integers(0, len(self._captions), len(put))
            cards[put, slots] = torch.from_numpy(np.stack([self._captions[k] for k in which]))
            wanted[put] = torch.from_numpy(slots)
            context = self._contexts[rows].unsqueeze(1).expand(-1, CARDS, -1)
            logits = self._pilot.card(torch.cat([context, cards], 2)).squeeze(-1)
            logits = torch.where(cards.abs().sum(2) > 0, logits, -1e9)
            loss = F.cross_entropy(logits, wanted)
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
        return float(loss.detach())


class WeaponLessons(Lessons):
    """Lessons with `WeaponCards` after each stretch; `weapon` is set before the first one."""

    weapon: WeaponCards

    def lesson(self, steps: int) -> tuple[Stretch, dict[str, float]]:
        """Play, imitate, and learn to take the weapon's card."""
        stretch, metrics = super().lesson(steps)
        self.weapon.observe(self.policy, stretch)
        return stretch, metrics | {"card_loss": self.weapon.learn()}
