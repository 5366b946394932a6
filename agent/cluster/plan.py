"""What a cluster runs and where: one learner beside Ray's head, and workers on each machine. Plain values."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Final

import msgspec

from agent.cluster.keeper import agent_words
from agent.core.errors import SettingsError

LEARNER: Final = "learner"
RAY_PORT: Final = 6379
NAMESPACE: Final = "metabonk"
MAX_WORKERS: Final = 256


class Placed(msgspec.Struct, frozen=True):
    """One process of a plan: its name in the whole cluster, its command line, and the processors set aside for it."""

    name: str
    words: list[str]
    cpus: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is told to `cluster up` and `cluster join`.

    host: this machine's address, as others reach it. head: that of the learner. learner_at: its address where workers
    reach it by another way. more: options that are passed on to
    `play`, such as `--tier 3`.
    """

    host: str
    head: str
    port: int
    workers: int
    games: int = 1
    game: str = "arena"
    policy: str = "pilot"
    weights: str = ""
    learner_at: str = ""
    more: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise SettingsError for numbers that are none."""
        if not 0 <= self.workers <= MAX_WORKERS:
            raise SettingsError(f"--workers {self.workers}: 0 to {MAX_WORKERS}")
        if not 1 <= self.games <= 64:
            raise SettingsError(f"--games {self.games}: 1 to 64")

    def learner(self) -> Placed:
        """The learner's process."""
        words = agent_words("learner", "--policy", self.policy, "--host", self.host, "--port", str(self.port))
        return Placed(LEARNER, words + (["--weights", self.weights] if self.weights else []), 0.0)

    def players(self) -> list[Placed]:
        """The workers of this machine. They show no page and keep no recording: there may be many."""
        shown = f"[{self.head}]" if ":" in self.head else self.head
        words = agent_words(
            "play", "--game", self.game, "--games", str(self.games), "--policy", self.policy,
            "--learner", self.learner_at or f"http://{shown}:{self.port}", "--no-http", "--no-record", *self.more,
        )  # fmt: skip
        name = self.host.replace(":", "-").replace(".", "-")
        return [Placed(f"worker-{name}-{i}", words, 0.0) for i in range(self.workers)]


def ray_token(token: str) -> str:
    """The token of Ray's own connections, made of ours so that one secret is enough."""
    return hashlib.sha256(b"ray of metabonk " + token.encode()).hexdigest()


def check_ray() -> None:
    """Raise SettingsError, naming the extra, where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise SettingsError(
            "cluster needs Ray, which is not installed: run pip install 'metabonk-apex[cluster]'. Without it, start "
            "`python -m agent learner` and `python -m agent play --learner http://HOST:PORT` yourself"
        )


def state_folder(data: Path) -> Path:
    """Where this machine's processes of a cluster are known."""
    return data / "cluster"
