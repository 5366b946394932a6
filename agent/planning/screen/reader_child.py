"""The process that reads screens, so that no picture costs the session more than its bytes."""

from __future__ import annotations

import os
from typing import Final

import numpy as np

from agent.concurrency.frames import Message
from agent.concurrency.serving import limit_process, serve_calls
from agent.planning.screen.engines import Embedder, Engine, NoEngine, open_engine, upright_size
from agent.planning.screen.messages import Embed, Open, Opened, ReadPicture, Vectors, Word, Words

MAX_MEMORY_BYTES: Final = 3 << 30


class Reading:
    """What this process has loaded, each at its first use."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._embedder: Embedder | None = None

    def answered(self, message: Open | ReadPicture | Embed, payload: bytes) -> tuple[Message, bytes]:
        """One call, answered; raises NoEngine where a picture is to be read and nothing reads."""
        began_s = _cpu_s()
        match message:
            case Open():
                try:
                    return Opened(engine=self._opened().name, embeds=Embedder.is_there()), b""
                except NoEngine as error:
                    return Opened(why=str(error)), b""
            case ReadPicture():
                words = self._read(message, payload)
                return Words(words=tuple(words), cpu_s=_cpu_s() - began_s), b""
            case Embed():
                return self._embed(message, began_s)

    def _opened(self) -> Engine:
        if self._engine is None:
            self._engine = open_engine()
        return self._engine

    def _read(self, message: ReadPicture, payload: bytes) -> list[Word]:
        engine, at, found = self._opened(), 0, list[Word]()
        scale = upright_size(message.height_px)
        for x0, y0, x1, y1 in message.boxes:
            size = (y1 - y0) * (x1 - x0) * 3
            picture = np.frombuffer(payload, np.uint8, size, at).reshape(y1 - y0, x1 - x0, 3)
            at += size
            for word in engine.read(picture, scale, whole=message.whole, careful=message.careful):
                a, b, c, d = word.box
                found.append(Word(word.text, (a + x0, b + y0, c + x0, d + y0), word.confidence))
        return found

    def _embed(self, message: Embed, began_s: float) -> tuple[Message, bytes]:
        if not Embedder.is_there():
            return Vectors(size=0), b""
        if self._embedder is None:
            self._embedder = Embedder()
        vectors = self._embedder.embed(message.texts, is_goal=message.is_goal)
        return Vectors(size=vectors.shape[1], cpu_s=_cpu_s() - began_s), np.ascontiguousarray(vectors, "<f4").tobytes()


def _cpu_s() -> float:
    """Processor time of this process, all its threads."""
    times = os.times()
    return times.user + times.system


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    limit_process(max_memory_bytes=MAX_MEMORY_BYTES, low_priority=True)
    serve_calls(Open | ReadPicture | Embed, Reading().answered)
