"""Cloning: a policy that does what recordings say was done, from their pictures; labels that are unknown do not count.

The policy is one of those that PPO trains on an environment, with the same preset, and plays as those do: it sees the
last pictures and never its own last action, so there is nothing to copy. Numbers beside the picture are in no
recording: the policy has none of them in what it decides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from agent.core.errors import RecordingError, SettingsError
from agent.core.rollout import ActionSpec
from agent.core.types import FloatArray
from agent.games.action_space import ActionSpace
from agent.games.env_view import EnvView
from agent.games.gymnasium_host import open_env, shown_of
from agent.games.gymnasium_profile import load_profile
from agent.games.options import is_gymnasium
from agent.learning.inverse_dynamics.checkpoint import checkpoint_tensors, load_checkpoint
from agent.learning.pixels.episodes import Episode, Episodes
from agent.learning.pixels.layout import ActionLayout
from agent.learning.pixels.load import open_episodes
from agent.models.heads import Heads
from agent.models.policies import FramePolicy
from agent.models.sizes import FRAME_KIND
from agent.training.gym import build_policy
from agent.training.options import EnvironmentOptions
from agent.training.presets.preset import Kept, chosen, going_on

BATCH: Final = 64
STRETCH: Final = 20
LEARNING_RATE: Final = 1e-3
WEIGHT_DECAY: Final = 1e-2
HELD_OUT: Final = 0.1
MEASURED: Final = 512
DEFAULT: Final = EnvironmentOptions()


def columns_of(layout: ActionLayout, spec: ActionSpec, where: str) -> tuple[list[int], list[int]]:
    """Which recorded controls are a game's axes and which its choices, in order; raises RecordingError.

    An axis is an axis; a choice, or a key, is a choice of as many.
    """
    axes = [i for i, control in enumerate(layout.controls) if control.kind in ("axis", "position")]
    picks = [i for i, control in enumerate(layout.controls) if control.kind in ("choice", "key")]
    counts = tuple(layout.controls[i].choices if layout.controls[i].kind == "choice" else 2 for i in picks)
    if len(axes) != spec.continuous or counts != spec.branches:
        raise RecordingError(
            f"--from-recordings: actions are {len(axes)} axes and choices of {list(counts)}; {where} takes "
            f"{spec.continuous} axes and choices of {list(spec.branches)}; record this game, or label its recordings"
        )
    return axes, picks


class CloneTraining:
    """One cloning, behind the protocol of `training.command`; `steps` counts pictures that were learned from.

    options: what stands above the preset; kept: of the checkpoint of a training that goes on.
    """

    def __init__(
        self, game: str, folder: Path, *, seed: int, total_steps: int, options: EnvironmentOptions = DEFAULT,
        profile: Path | None = None, kept: Kept | None = None, episodes: Episodes | None = None,
    ) -> None:  # fmt: skip
        if not is_gymnasium(game):
            raise SettingsError(
                f"--from-recordings {folder} --game {game}: a policy of pictures plays Gymnasium environments; name "
                "--game gym:[MODULE:]ID or MODULE:FACTORY"
            )
        torch.manual_seed(seed)
        self.game, self._folder, self._seed, self._total = game, folder, seed, total_steps
        env = open_env(game)
        actions = ActionSpace(env.action_space)
        own = load_profile(game.removeprefix("gym:"), profile, actions)
        if kept is not None:
            self.preset = going_on(kept, EnvView(env.observation_space, own.picture, paint_flags=True), options)
        else:
            view = EnvView(env.observation_space, own.picture, paint_flags=True)
            _, preset = chosen(game, view, options)
            self.preset = msgspec.structs.replace(preset, paint_flags=True, memory=0)
        if self.preset.frame_skip is not None:
            own = msgspec.structs.replace(own, frame_skip=self.preset.frame_skip)
        self.view = EnvView(
            env.observation_space, own.picture, max_px=self.preset.picture_px, paint_flags=self.preset.paint_flags
        )
        self._frame_skip = own.frame_skip
        self._shown = shown_of(self.view, actions, own)
        env.close()
        if not self.view.shape or self.view.shape[2] != 3 or self.view.shape[0] != self.view.shape[1]:
            shape = " x ".join(map(str, self.view.shape)) or "no picture"
            raise SettingsError(
                f"--from-recordings: recordings are square pictures of three colours, {game} shows {shape}; name "
                "--picture-px, or another game"
            )
        found = episodes if episodes is not None else open_episodes(folder, size_px=self.view.shape[0])
        self._begin(found, actions.spec)

    def _begin(self, episodes: Episodes, spec: ActionSpec) -> None:
        if episodes.layout is None:
            raise RecordingError(
                f"--from-recordings {self._folder}: no actions there; label them with `python -m agent label`"
            )
        self._axes, self._picks = columns_of(episodes.layout, spec, self.game)
        labelled = episodes.of([i for i, e in enumerate(episodes.items) if e.actions is not None])
        self.learned, self.testing = labelled.split(HELD_OUT, seed=self._seed)
        policy = build_policy(self.view, spec, self.preset)
        assert isinstance(policy, FramePolicy)
        self.policy = policy
        if self.view.numbers:  # in no recording: what is decided must not depend on them
            torch.nn.init.zeros_(policy.get_parameter("beside.0.weight"))
        self._optimizer = torch.optim.AdamW(
            [p for name, p in policy.named_parameters() if not name.startswith("beside.")], LEARNING_RATE,
            weight_decay=WEIGHT_DECAY,
        )  # fmt: skip
        self._rows = _rows(self.learned)
        self._test_rows = _rows(self.testing)
        if not len(self._rows):
            raise RecordingError(f"--from-recordings {self._folder}: every action is unknown; nothing can be learned")
        self.steps = 0
        known = len(self._rows) / max(1, self.learned.pictures)
        self.about = [
            f"{len(self.learned)} episodes with {self.learned.pictures:,} pictures, {known:.0%} of them with actions; "
            f"{len(self.testing)} are held out",
            f"the policy observes and does {self._shown.describe()}, the last {self.preset.frame_stack} together",
        ]

    @property
    def kept_notes(self) -> dict[str, Any]:
        """What a checkpoint is to say of it."""
        return {"preset": msgspec.to_builtins(self.preset)}

    def advance(self) -> dict[str, float]:
        """Some updates; figures by name."""
        losses: list[float] = []
        for _ in range(STRETCH):
            rng = np.random.default_rng((self._seed, self.steps))
            share = max(0.02, 1.0 - self.steps / max(1, self._total))
            for group in self._optimizer.param_groups:
                group["lr"] = LEARNING_RATE * share
            rows = self._rows[rng.integers(0, len(self._rows), BATCH)]
            loss, _ = self._loss(self.learned, rows)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.policy.parameters(), 1.0)
            self._optimizer.step()
            self.steps += BATCH
            losses.append(loss.item())
        return {"clone_loss": float(np.mean(losses)), **self._measured()}

    @torch.no_grad()
    def _measured(self) -> dict[str, float]:
        if not len(self._test_rows):
            return {}
        rng = np.random.default_rng(self._seed)
        rows = self._test_rows[rng.integers(0, len(self._test_rows), MEASURED)]
        loss, right = self._loss(self.testing, rows)
        return {"held_out_loss": loss.item(), "held_out_accuracy": right}

    def _loss(self, episodes: Episodes, rows: Any) -> tuple[Tensor, float]:
        """The loss of rows [B, 2] of (episode, picture), and the share of choices that are the likeliest ones."""
        seen, done, known = zip(*(self._row(episodes.items[i], t) for i, t in rows.tolist()), strict=True)
        obs = torch.from_numpy(np.stack(seen))[:, None]
        first = torch.ones(len(obs), 1, dtype=torch.bool)
        heads, _ = self.policy(obs, self.policy.initial(len(obs)), first, torch.zeros(len(obs), 1))
        return cloned(heads, np.stack(done), np.stack(known), self._axes, self._picks)

    def _row(self, episode: Episode, t: int) -> tuple[FloatArray, FloatArray, Any]:
        """What the policy sees at picture t, what was done, and what of that is known."""
        assert episode.actions is not None
        stack = [episode.frames[max(0, t - back)] for back in range(self.preset.frame_stack - 1, -1, -1)]
        picture = np.concatenate(stack, 2).reshape(-1).astype(np.float32)
        numbers = np.zeros(self.view.numbers * self.preset.frame_stack, np.float32)
        known = np.ones(episode.actions.shape[1], np.bool_) if episode.known is None else episode.known[t]
        return np.concatenate([picture, numbers]), episode.actions[t], known

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs."""
        kept = checkpoint_tensors(self.policy, self._optimizer, "policy")
        return {**kept, "steps": torch.tensor([self.steps])}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises WeightsError."""
        load_checkpoint(self.policy, self._optimizer, "policy", tensors)
        self.steps = int(tensors["steps"].item())

    def sealed(self) -> dict[str, Any]:
        """The arguments of `save_sealed` for the weights."""
        told = {"frame_skip": self._frame_skip} if self._frame_skip > 1 or self.preset.frame_skip is not None else {}
        layout = {"game": self.game, "features": self.view.features, "paint_flags": self.preset.paint_flags, **told}
        return {
            "tensors": {name: t.detach().numpy() for name, t in self.policy.state_dict().items()}, "kind": FRAME_KIND,
            "layout": layout, "sizes": msgspec.to_builtins(self.policy.sizes),
            "notes": {"steps": self.steps, "cloned_pictures": self.learned.pictures},
        }  # fmt: skip


def _rows(episodes: Episodes) -> Any:
    """Every (episode, picture) of which something is known; i64 [N, 2]."""
    found = []
    for i, episode in enumerate(episodes.items):
        known = np.ones(len(episode), np.bool_) if episode.known is None else episode.known.any(-1)
        at = np.flatnonzero(known)
        found.append(np.stack([np.full(len(at), i), at], 1))
    return np.concatenate(found) if found else np.zeros((0, 2), np.int64)


def cloned(heads: Heads, done: FloatArray, known: Any, axes: list[int], picks: list[int]) -> tuple[Tensor, float]:
    """The loss of doing as was done, over what is known; and the share of choices that are the likeliest ones.

    Choices by cross-entropy, axes by the squared error of what would be done.
    """
    losses, counts, rights = [], [], []
    counted = torch.from_numpy(known).float()
    wanted = torch.from_numpy(done)
    for branch, column in enumerate(picks):
        logits, own = heads.logits[branch][:, 0], wanted[:, column].round().long()
        losses.append(F.cross_entropy(logits, own, reduction="none") * counted[:, column])
        counts.append(counted[:, column])
        rights.append((logits.argmax(-1) == own).float() * counted[:, column])
    for axis, column in enumerate(axes):
        error = torch.tanh(heads.mean[:, 0, axis]) - wanted[:, column].clamp(-1.0, 1.0)
        losses.append(error.square() * counted[:, column])
        counts.append(counted[:, column])
    total = torch.stack(counts).sum().clamp_min(1.0)
    of_choices = torch.stack(counts[: len(picks)]).sum().clamp_min(1.0) if picks else total
    right = float(torch.stack(rights).sum() / of_choices) if picks else 0.0
    return torch.stack(losses).sum() / total, right
