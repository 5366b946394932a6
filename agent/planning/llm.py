"""A language model as something that answers questions by a schema: probed, limited in time and size, counted.

Owns no socket: a courier carries each question to a process of its own. It never waits longer than `TOTAL_GRACE_S`
beyond the deadline, and never lets two questions be under way.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from agent.concurrency.child import Child
from agent.core.clock import Clock
from agent.core.errors import AgentError, LlmError
from agent.planning.breaker import Breaker
from agent.planning.messages import Ask, Look, Seen, Server, Think, Told

MAX_REPLY_BYTES: Final = 64 << 10
TOTAL_GRACE_S: Final = 2.0
LOOK_S: Final = 3.0
PROBE_TIMES: Final = 3.0
"""A probe may take so many times as long as a question: a model that lies on the disk must be loaded first."""
CACHED: Final = 128
NO_MODEL: Final = "has no model of its own that chats; METABONK_LLM_MODEL names one that is to be asked all the same"
THINKS: Final[tuple[Think, ...]] = ("omit", "false", "low")
_FENCED: Final = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.S)
T = TypeVar("T")


class Question(msgspec.Struct, Generic[T], frozen=True):
    """What is asked, and what an answer is. schema: JSON of what `kind` decodes; check: raises ValueError.

    images: files of pictures that are shown with the prompt.
    """

    system: str
    prompt: str
    schema: bytes
    kind: type[T]
    check: Callable[[T], None] = lambda decoded: None
    images: tuple[bytes, ...] = ()

    def decode(self, told: Told) -> T:
        """The answer: the content, or the thinking where that is empty; raises LlmError. Nothing is guessed."""
        text = told.content if told.content.strip() else told.thinking
        if not text.strip():
            raise LlmError("empty", "the reply has neither content nor thinking")
        fenced = _FENCED.fullmatch(text)
        try:
            decoded = msgspec.json.decode((fenced[1] if fenced else text).encode(), type=self.kind)
            self.check(decoded)
            return decoded
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise LlmError("invalid", f"the reply breaks the schema: {error}") from error


class Courier(Protocol):
    """Whoever carries a question to a server."""

    async def ask(self, ask: Ask) -> Told:
        """The answer or a fault; raises AgentError where nobody could carry it."""
        ...

    async def look(self, look: Look) -> Seen:
        """What the server says of itself."""
        ...

    def close(self) -> None:
        """Let go of what carries."""
        ...


class ByChild:
    """Carries questions by a child process, which the first one starts."""

    def __init__(self) -> None:
        self._child = Child("llm", "agent.planning.llm_child", max_waiting=2)

    async def ask(self, ask: Ask) -> Told:
        """The answer or a fault; a child that does not come back is ended."""
        told, _ = await self._child.call(ask, Told, timeout_s=ask.total_s + TOTAL_GRACE_S)
        return told

    async def look(self, look: Look) -> Seen:
        """What the server says of itself; the child's start counts as well."""
        seen, _ = await self._child.call(look, Seen, timeout_s=look.within_s + 30.0)
        return seen

    def close(self) -> None:
        """End the child."""
        self._child.close()


class LanguageModel:
    """One server's model. `ready`: the probe has found how it keeps to a schema."""

    def __init__(
        self, server: Server, courier: Courier, clock: Clock, *, timeout_s: float, breaker: Breaker | None = None
    ) -> None:
        self.server = server
        self.ready = False
        self.why = "it is being probed"
        self.think: Think = "omit"
        self.timeout_s = timeout_s
        self._courier, self._clock = courier, clock
        self._breaker = breaker or Breaker()
        self._cache: OrderedDict[str, Told] = OrderedDict()
        self._under_way = False
        self._counts = {"asked": 0, "answered": 0, "from_cache": 0, "prompt_tokens": 0, "reply_tokens": 0}
        self._faults: dict[str, int] = {}
        self._last_fault: dict[str, Any] | None = None
        self._took_s: deque[float] = deque(maxlen=256)
        self._requests: dict[str, tuple[int, float]] = {}
        self._last: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """The backend and the model."""
        return f"{self.server.backend}:{self.server.model}"

    @property
    def is_open(self) -> bool:
        """True while the breaker lets nothing through."""
        return not self._breaker.lets_through(self._clock.now_s())

    async def find(self) -> Seen:
        """Ask the server which models it has, and take one; raises LlmError where it cannot be used."""
        try:
            seen = await self._courier.look(Look(server=self.server, within_s=LOOK_S))
        except AgentError as error:
            raise LlmError("child", str(error)) from error
        if seen.fault:
            raise LlmError(seen.fault, seen.error)
        wanted = self.server.model
        found = wanted or next(iter(seen.models), "")
        if not has_model(wanted, seen.models):
            has = ", ".join(seen.models[:8]) or "none"
            lacks = f"has no model {wanted}; it has: {has}" if wanted else NO_MODEL
            raise LlmError("no_model", f"{self.server.base_url} {lacks}")
        self.server = msgspec.structs.replace(self.server, model=found)
        return seen

    async def probe(self, question: Question[Any]) -> None:
        """Find how the model keeps to the question's schema; raises LlmError where it does in no way."""
        ways: tuple[Think, ...] = THINKS if self.server.backend == "ollama" else ("omit",)
        refused: list[str] = []
        fault = "invalid"
        for think in ways:
            try:
                question.decode(await self._carried(question, think, self.timeout_s * PROBE_TIMES))
            except LlmError as error:
                self._count_fault(error)
                refused.append(f"think {think}: {error}")
                fault = error.fault
                if fault in ("unreachable", "slow", "silent", "no_model", "no_client", "child"):
                    break
                continue
            self.think, self.ready, self.why = think, True, ""
            self._breaker.heard(True, self._clock.now_s())
            return
        self.why = "; ".join(refused)
        raise LlmError(fault, f"{self.name}: {self.why}")

    async def ask(self, question: Question[T]) -> T:
        """The model's answer; raises LlmError, also where the breaker is open or another question is under way."""
        key = self._key(question)
        if key in self._cache:
            self._cache.move_to_end(key)
            self._counts["from_cache"] += 1
            self._last = {"outcome": "cached", "seconds": 0.0, "prompt_tokens": 0, "reply_tokens": 0}
            return question.decode(self._cache[key])
        if self._under_way:
            raise LlmError("busy", "another question is under way")
        if self.is_open:
            raise LlmError("open", "the circuit breaker is open")
        try:
            told = await self._carried(question, self.think, self.timeout_s)
            decoded = question.decode(told)
        except LlmError as error:
            self._count_fault(error)
            self._breaker.heard(False, self._clock.now_s())
            raise
        self._breaker.heard(True, self._clock.now_s())
        self._counts["answered"] += 1
        self._cache[key] = told
        if len(self._cache) > CACHED:
            self._cache.popitem(last=False)
        return decoded

    async def _carried(self, question: Question[Any], think: Think, total_s: float) -> Told:
        ask = Ask(
            server=self.server, system=question.system, prompt=question.prompt, schema=question.schema, think=think,
            total_s=total_s, silence_s=total_s / 2, max_bytes=MAX_REPLY_BYTES, images=question.images,
        )  # fmt: skip
        self._counts["asked"] += 1
        self._under_way = True
        began_s, outcome, told = self._clock.now_s(), "cancelled", None
        try:
            told = await self._courier.ask(ask)
            outcome = told.fault or "answered"
        except AgentError as error:
            outcome = "child"
            raise LlmError("child", str(error)) from error
        finally:
            self._under_way = False
            self._note_request(outcome, self._clock.now_s() - began_s, told)
        self._counts["prompt_tokens"] += told.prompt_tokens
        self._counts["reply_tokens"] += told.reply_tokens
        if told.fault:
            raise LlmError(told.fault, told.error)
        return told

    def _note_request(self, outcome: str, took_s: float, told: Told | None) -> None:
        self._took_s.append(took_s)
        count, total_s = self._requests.get(outcome, (0, 0.0))
        self._requests[outcome] = count + 1, total_s + took_s
        tokens = (told.prompt_tokens, told.reply_tokens) if told is not None else (0, 0)
        self._last = {
            "outcome": outcome, "seconds": round(took_s, 3), "prompt_tokens": tokens[0], "reply_tokens": tokens[1],
        }  # fmt: skip

    def _key(self, question: Question[Any]) -> str:
        text = "\0".join((self.name, self.think, question.system, question.prompt))
        return hashlib.sha256(b"\0".join((text.encode(), question.schema, *question.images))).hexdigest()

    def _count_fault(self, error: LlmError) -> None:
        self._faults[error.fault] = self._faults.get(error.fault, 0) + 1
        self._last_fault = {"fault": error.fault, "error": str(error)[:200], "at_s": self._clock.now_s()}

    def close(self) -> None:
        """Let go of the courier."""
        self._courier.close()

    def status(self) -> dict[str, Any]:
        """Which model, how it is asked, how it fared, and how long it took."""
        now_s, took = self._clock.now_s(), sorted(self._took_s)
        last = self._last_fault
        return {
            "backend": self.server.backend, "model": self.server.model, "ready": self.ready, "why": self.why,
            "think": self.think, "timeout_s": self.timeout_s, **self._counts, "faults": dict(self._faults),
            "last_fault": None if last is None else {
                "fault": last["fault"], "error": last["error"], "ago_s": round(now_s - last["at_s"], 1),
            },
            "breaker": self._breaker.as_builtins(now_s), "last": self._last,
            "requests": {how: {"count": n, "seconds": round(s, 3)} for how, (n, s) in self._requests.items()},
            "latency_s": {"p50": round(took[len(took) // 2], 3), "max": round(took[-1], 3)} if took else None,
        }  # fmt: skip


def has_model(wanted: str, models: tuple[str, ...]) -> bool:
    """Whether a server that lists these has the model, or any where none is wanted; one that lists none may have it."""
    if not models:
        return bool(wanted)
    return not wanted or wanted in models or f"{wanted}:latest" in models


async def listens(host: str, port: int, within_s: float = 0.5) -> bool:
    """True where something takes a connection there."""
    try:
        async with asyncio.timeout(within_s):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
