"""Which language model plans, if any: one that settings name must work, `auto` takes the first that is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
import numpy as np
import structlog

from agent.core.clock import Clock
from agent.core.errors import LlmError, SettingsError
from agent.core.goals.progress import Tally
from agent.core.settings import Settings
from agent.core.types import GameState
from agent.planning.goal import parse_goal
from agent.planning.llm import ByChild, Courier, LanguageModel, Question, listens
from agent.planning.messages import Served, Server
from agent.planning.plans import PlanReply, question
from agent.planning.utility import candidates

OLLAMA_URL: Final = "http://127.0.0.1:11434"
_START: Final = {
    "ollama": "start it with `ollama serve`, and get a model with `ollama pull NAME`",
    "openai": "start the server that METABONK_LLM_BASE_URL names",
}
log = structlog.get_logger(__name__)


class LlmConfig(msgspec.Struct, frozen=True):
    """What settings say of language models."""

    backend: Literal["auto", "ollama", "openai", "builtin"] = "builtin"
    model: str = ""
    base_url: str = ""
    api_key: str = ""
    temperature: float = 0.2
    max_tokens: int = 256
    timeout_s: float = 10.0


def llm_config(settings: Settings) -> LlmConfig:
    """What settings say; raises SettingsError where an address is none, or is missing."""
    llm = settings.llm
    found = LlmConfig(
        llm.backend, llm.model, llm.base_url.rstrip("/"), llm.api_key.get_secret_value(), llm.temperature,
        llm.max_tokens, llm.timeout_s,
    )  # fmt: skip
    if found.backend == "openai" and not found.base_url:
        raise SettingsError("METABONK_LLM_BACKEND=openai needs METABONK_LLM_BASE_URL, such as http://127.0.0.1:8080/v1")
    if found.base_url:
        _host_and_port(found.base_url)
    return found


def _host_and_port(url: str) -> tuple[str, int]:
    """Where a server of this address listens; raises SettingsError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"METABONK_LLM_BASE_URL={url[:80]!r}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise SettingsError(f"METABONK_LLM_BASE_URL={url[:80]!r}: http://HOST:PORT is needed, for openai with its /v1")
    return parts.hostname, port or (443 if parts.scheme == "https" else 80)


def servers_of(config: LlmConfig) -> list[Server]:
    """The servers to try, in order; none for the builtin planner."""

    def server(backend: Served, url: str) -> Server:
        return Server(backend, url, config.model, config.api_key, config.temperature, config.max_tokens)

    if config.backend == "builtin":
        return []
    if config.backend == "auto":
        url = config.base_url
        return [server("ollama", url or OLLAMA_URL), *([server("openai", url)] if url else [])]
    return [server(config.backend, config.base_url or OLLAMA_URL)]


def vision_server(settings: Settings) -> Server:
    """The Ollama whose vision model chooses in menus; raises SettingsError where its address is none."""
    config = llm_config(settings)
    url = config.base_url if config.base_url and config.backend != "openai" else OLLAMA_URL
    return Server("ollama", url, settings.menus.model, config.api_key, 0.0, config.max_tokens)


def probe_question() -> Question[PlanReply]:
    """A question like those of play, with the real schema."""
    still = GameState(
        (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 80.0, 100.0, 30.0, True, False, np.zeros((0, 4), np.float32), "", ()
    )
    goal, tally = parse_goal("Survive 20 minutes"), Tally(time_s=30.0, level=2)
    return question(goal, still, tally, candidates(goal, still, tally, (), {}), ())


class Backend:
    """The language model that plans. `model` None: there is none, and `why` says why."""

    def __init__(self, config: LlmConfig, clock: Clock, *, courier: Callable[[], Courier] = ByChild) -> None:
        self.config = config
        self.model: LanguageModel | None = None
        self.why = "METABONK_LLM_BACKEND=builtin" if config.backend == "builtin" else "none was looked for yet"
        self._clock, self._courier = clock, courier

    @property
    def is_named(self) -> bool:
        """True where settings name a server, which then must be there."""
        return self.config.backend in ("ollama", "openai")

    async def begin(self) -> None:
        """Find and probe the server that settings name; raises SettingsError where it cannot plan."""
        if not self.is_named:
            return
        error = await self._try(servers_of(self.config)[0])
        if error is not None:
            raise SettingsError(
                f"METABONK_LLM_BACKEND={self.config.backend}: {error}; {_START[self.config.backend]}, or unset it"
            )

    async def find(self) -> None:
        """For `auto`: take the first server that can plan, else say once that there is none."""
        if self.config.backend != "auto":
            return
        reasons = []
        for server in servers_of(self.config):
            if not await listens(*_host_and_port(server.base_url)):
                reasons.append(f"nothing listens at {server.base_url}")
                continue
            error = await self._try(server)
            if error is None:
                return
            reasons.append(f"{server.backend} at {server.base_url}: {error}")
        self.why = "; ".join(reasons)
        log.info("llm_not_used", why=self.why, planner="builtin")

    async def _try(self, server: Server) -> LlmError | None:
        """Use this server if it can plan; else what keeps it from that."""
        model = LanguageModel(server, self._courier(), self._clock, timeout_s=self.config.timeout_s)
        self.model = model  # it is shown while it is being probed, and asked once that is done
        try:
            await model.find()
            await model.probe(probe_question())
        except LlmError as error:
            self.model = None
            await asyncio.to_thread(model.close)  # it waits for the process, and games are played meanwhile
            return error
        self.why = ""
        log.info("llm", model=model.name, think=model.think)
        return None

    async def give_up(self, why: str) -> str:
        """Use no model for the rest of the session; "" where there is none."""
        model, self.model = self.model, None
        if model is None:
            return ""
        self.why = why
        await asyncio.to_thread(model.close)
        return "no language model is asked any more; the builtin planner plans"

    def close(self) -> None:
        """Let go of the model's process."""
        if self.model is not None:
            self.model.close()

    def status(self) -> dict[str, Any]:
        """The model, or why there is none."""
        found = self.model.status() if self.model is not None else {"backend": "builtin", "why": self.why}
        return {"wanted": self.config.backend, **found}
