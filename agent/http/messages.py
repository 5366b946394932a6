"""What is said between a session and the process that decodes large request bodies; both ends import it."""

from __future__ import annotations

from typing import Literal

from agent.concurrency.frames import Message
from agent.learner.bodies import Register

BodyKind = Literal["register", "rollout", "demo", "event"]


class Decode(Message, frozen=True):
    """Decode the body of the payload. Answer: `bodies.Arrays` for rollouts and demonstrations, or one of the below."""

    kind: BodyKind
    content_type: str


class Registered(Message, frozen=True):
    """A worker's hello."""

    body: Register


class EventBody(Message, frozen=True):
    """An event. Payload: what it carries, as JSON."""

    event_type: str
    instance_id: str
    message: str
