"""What a recording consists of: the header of a session, and the records that follow one another.

A recording is a folder of MCAP files, its segments. Each record is one MCAP message: its topic is the record's kind,
its body is MessagePack, its sequence is the record's number, counted from 1 over all segments without a gap. Every
segment begins with the header of its session as MCAP metadata, so that one file alone can be read.
"""

from __future__ import annotations

import zlib
from typing import Any, Final, TypeAlias

import msgspec

from agent.core.goals.vocabulary import Subgoal

FORMAT: Final = 1
WEIGHTS: Final = "weights"
"""The folder of a recording with the tensors that acted, each called by its hash; and the kind of their event."""
METADATA: Final = "metabonk.session"
PROFILE: Final = "metabonk"
ENCODING: Final = "msgpack"


class SessionHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of a whole session.

    began_utc_ns: wall clock at the beginning; began_s: the monotonic clock then, which all times of records count on.
    learns: actions were sampled; asks_chooser: the policy asked another for its cards;
    off_policy: it sampled as a learner asks that replays decisions. kind, sizes and layout: of its weights, with which
    they build it; empty without weights.
    machine: what decides whether other arithmetic gives other bits (processor, versions).
    """

    session: str
    program: str
    game: str
    games: tuple[str, ...]
    policy: str
    seed: int
    real_time: bool
    learns: bool
    asks_chooser: bool
    off_policy: bool
    began_utc_ns: int
    began_s: float
    machine: dict[str, str] = {}
    kind: str = ""
    sizes: dict[str, Any] = {}
    layout: dict[str, Any] = {}
    format: int = FORMAT


class PacketRecord(msgspec.Struct, frozen=True, array_like=True, tag="packet"):
    """One packet of a game as it came: `number` counts the game's packets; state and frame are the wire's bytes."""

    game: int
    number: int
    received_at_s: float
    state: bytes
    frame: bytes


class DecisionRecord(msgspec.Struct, frozen=True, array_like=True, tag="decision"):
    """One answer: what the policy saw, and what became of it.

    step counts the policy's steps; the decisions of one step were made in one batch. packet and picture are the
    numbers of the packets that brought the state and the frame, 0 for none. The next seven fields are the
    observation's. version: of the weights that acted; an event `weights` tells the hash of their tensors. action: the
    bytes that were sent, empty where the answer came too late to be sent. owner: who chose the action. card: the card
    that is being picked, −1 for none. instead_of: where the action of a person (who corrects the policy), of safety or
    of the planner was sent, the bytes of the policy's, and instead_of_owner its owner; what a person pressed is in the
    packet's state, and what of it the game itself did not do is in `action`. subgoal: what the policy pursued.
    """

    game: int
    step: int
    packet: int
    picture: int
    elapsed_s: float
    received_at_s: float
    reward: float
    is_first: bool
    is_last: bool
    is_terminal: bool
    is_won: bool
    version: int
    at_s: float
    action: bytes
    owner: str
    card: int
    instead_of: bytes = b""
    instead_of_owner: str = ""
    subgoal: Subgoal | None = None

    @property
    def policy_action(self) -> bytes:
        """The bytes of the policy's action, sent or not; empty where it came too late."""
        return self.instead_of or self.action

    @property
    def policy_owner(self) -> str:
        """Who of the policy chose that action."""
        return self.instead_of_owner or self.owner


class LinkRecord(msgspec.Struct, frozen=True, array_like=True, tag="link"):
    """A game's connection began (`reason` is empty) or ended."""

    game: int
    at_s: float
    is_up: bool
    reason: str


class EventRecord(msgspec.Struct, frozen=True, array_like=True, tag="event"):
    """Something that was told to people or that replay must know: weights exchanged, a policy that began anew."""

    at_s: float
    kind: str
    message: str
    payload: dict[str, Any]


class GapRecord(msgspec.Struct, frozen=True, array_like=True, tag="gap"):
    """Records that could not be kept: how many, of how many bytes, since when, and why."""

    at_s: float
    count: int
    size_bytes: int
    reason: str


Record: TypeAlias = PacketRecord | DecisionRecord | LinkRecord | EventRecord | GapRecord
TOPICS: Final = ("packet", "decision", "link", "event", "gap")
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """The body of a record."""
    return _ENCODER.encode(record)


def decode(body: bytes) -> Record:
    """The record of a body; raises msgspec.DecodeError or msgspec.ValidationError."""
    record: Record = _DECODER.decode(body)
    return record


def topic_of(record: Record) -> str:
    """The MCAP topic of a record."""
    tag = type(record).__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def header_metadata(header: SessionHeader) -> dict[str, str]:
    """A header as MCAP metadata, which has no checksum of its own."""
    body = msgspec.json.encode(header)
    return {"header": body.decode(), "crc32": str(zlib.crc32(body))}


def header_of(metadata: dict[str, str]) -> SessionHeader:
    """The header in MCAP metadata; raises ValueError where it is damaged or of a later format."""
    body = metadata.get("header", "").encode()
    if str(zlib.crc32(body)) != metadata.get("crc32"):
        raise ValueError("the header is damaged")
    header = msgspec.json.decode(body, type=SessionHeader)
    if header.format > FORMAT:
        raise ValueError(f"a recording of format {header.format}; this program reads {FORMAT}")
    return header
