"""What is said between a session and the process that talks to a language model's server; both ends import it."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from agent.concurrency.frames import Message

Served = Literal["ollama", "openai"]
Think = Literal["omit", "false", "low"]
"""Ollama's `think`: left out, false, or "low"; which of them keeps to the schema differs from model to model."""

FAULTS: Final = (
    "unreachable", "silent", "slow", "too_large", "redirect", "broken", "garbage", "empty", "invalid", "encoded",
    "no_model", "no_client", "http", "child", "open", "busy",
)  # fmt: skip
"""How a question can end without an answer.

silent: no byte came for a while; slow: the whole took too long; broken: the connection ended in the reply; garbage: not
what such a server sends; invalid: an answer that breaks the schema; http: another status, which the text names; child:
the process that talks ended; open: the circuit breaker is open; busy: another question is under way.
"""


class Server(msgspec.Struct, frozen=True):
    """A server and what it is told. model: "" takes the first that it lists, of Ollama the smallest of its own."""

    backend: Served
    base_url: str
    model: str = ""
    api_key: str = ""
    temperature: float = 0.2
    max_tokens: int = 256


class Look(Message, frozen=True):
    """Is the server there, and which models has it? Answer: `Seen`."""

    server: Server
    within_s: float


class Seen(Message, frozen=True):
    """What a server says of itself; `fault` "" where it answers."""

    version: str = ""
    models: tuple[str, ...] = ()
    fault: str = ""
    error: str = ""


class Ask(Message, frozen=True):
    """One question. schema: JSON of the reply's schema. Answer: `Told`.

    total_s: the whole may take so long; silence_s: from the request or one byte to the next. images: files of pictures
    that belong to the prompt; Ollama's models are shown them.
    """

    server: Server
    system: str
    prompt: str
    schema: bytes
    think: Think
    total_s: float
    silence_s: float
    max_bytes: int
    images: tuple[bytes, ...] = ()


class Told(Message, frozen=True):
    """What a server answered; `fault` "" where it is whole, else one of `FAULTS`, and `error` in words."""

    content: str = ""
    thinking: str = ""
    took_s: float = 0.0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    fault: str = ""
    error: str = ""
