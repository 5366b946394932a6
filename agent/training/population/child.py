"""The process in which members train; run by `training.population.runner` with the task as its argument."""

from __future__ import annotations

import sys

import msgspec

from agent.concurrency.frames import Message
from agent.concurrency.serving import limit_process, serve_calls
from agent.training.population.contract import Interval, Seal
from agent.training.population.member import Task
from agent.training.population.work import Worker


def main(task: str) -> None:
    """Serve orders until the parent has left."""
    limit_process(low_priority=True)
    worker = Worker(msgspec.json.decode(task, type=Task))

    def answer(message: Interval | Seal, state: bytes) -> tuple[Message, bytes]:
        return worker.run(message, state) if isinstance(message, Interval) else worker.seal(message, state)

    serve_calls(Interval | Seal, answer)


if __name__ == "__main__":
    main(sys.argv[1])
