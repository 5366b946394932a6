"""A child for the tests: it says back what it is told, fails, waits, or ends when it is told to."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from agent.concurrency.frames import Message
from agent.concurrency.serving import limit_process, serve_calls
from agent.core.errors import RequestError, WeightsError


class Say(Message, frozen=True):
    text: str


class Said(Message, frozen=True):
    text: str
    heard: int
    pid: int


class Raise(Message, frozen=True):
    status: int


class Wait(Message, frozen=True):
    seconds: float


class End(Message, frozen=True):
    code: int


class Allocate(Message, frozen=True):
    bytes: int


Told = Say | Raise | Wait | End | Allocate
heard = 0


def handle(message: Told, payload: bytes) -> tuple[Message, bytes]:
    match message:
        case Raise(status=0):
            raise WeightsError("not open")
        case Raise():
            raise RequestError(message.status, "told to")
        case Wait():
            time.sleep(message.seconds)
        case End():
            os._exit(message.code)
        case Allocate():
            bytearray(message.bytes)
        case Say():
            print("printing disturbs nothing")
            return Said(text=message.text, heard=heard, pid=os.getpid()), payload[::-1]
    return Said(text="", heard=heard, pid=os.getpid()), b""


def arrived(message: Any) -> None:
    global heard
    heard += 1


if __name__ == "__main__":
    limit_process(max_memory_bytes=4 << 30 if "small" in sys.argv else None, low_priority=True)
    serve_calls(Told, handle, arrived=arrived)
