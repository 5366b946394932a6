"""A BonkLink game written against the wire's description alone: nothing of the agent is imported.

Plain sockets and struct, one thread a game, its own process. Sends a packet each period (state with enemies and
BLX1; one JPEG or raw picture in six packets) and measures from the game's side how soon each is answered.

    python foreign_game.py --ports 0 --seconds 10 --hz 60 --enemies 40 --frame picture.jpg

Prints `ports P [P …]` once it listens, `client` for each client, and at the end a list, one JSON object a game. Faults:
`--flip-every K` flips one bit of the state's length in each K-th packet of a connection; `--close-every K` closes
after K packets; `--nonce` puts a nonce of each packet into its position and expects `move` to carry it back;
`--no-blx1` is an older plugin. `--each` lists every answer as [second at which its packet went out, ms]. SIGTERM ends
it early with its report. SIGUSR1 makes it stop itself (SIGSTOP) as soon as a packet that it sent after the signal was
answered and nothing waits to be read; `waiting` lists what it finds when it goes on: [claims, repeats, neutral ones].
`--say` prints `answered` for each answer, `recovered` for the first one after a fault.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import socket
import struct
import sys
import threading
import time
from pathlib import Path

STOP = threading.Event()
SUSPEND = threading.Event()


def state_bytes(
    sequence: int, now_us: int, enemies: int, nonce: float, blx1: bool, kills: int, ends: bool = False
) -> bytes:
    head = struct.pack("<9fBBi", nonce, 0.0, 0.0, 0.0, 0.0, 0.0, 90.0, 100.0, sequence / 60, 1, 0, enemies)
    body = b"".join(struct.pack("<4f", i % 8 - 4.0, 0.0, i // 8 - 2.0, 10.0) for i in range(enemies))
    text = b"\x00" + struct.pack("<i", 0)
    if not blx1:
        return head + body + text
    payload = struct.pack(
        "<IQ4HBBHfIIffQf",
        *(sequence, now_us, 320, 180, 320, 180, 3 if ends else 1, 0, 1, 0.5, kills, 0, 0.0, 0.0, 7, 0.0),
    )
    return head + body + text + struct.pack("<II", 0x31584C42, len(payload)) + payload


class Game:
    """One listening port; serves its newest client."""

    def __init__(self, port: int, args: argparse.Namespace, index: int) -> None:
        self.args = args
        self.rng = random.Random(args.seed + index)
        self.listener = socket.create_server((args.host, port))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.frame = Path(args.frame).read_bytes() if args.frame else b""
        self.client: socket.socket | None = None
        self.inbox = b""
        self.sent_at: dict[int, float] = {}
        self.nonces: dict[int, float] = {}
        self.latencies: list[float] = []
        self.each: list[tuple[float, float]] = []
        self.sent_each: list[float] = []
        self.report = {
            "port": self.port,
            "packets": 0,
            "actions": 0,
            "answered": 0,
            "claims_unknown": 0,
            "clients": 0,
            "nonce_wrong": 0,
            "faults": 0,
            "recovered_s": [],
            "neutral": 0,
            "unclaimed": 0,
            "waiting": [],
        }
        self.suspend_after: int | None = None
        self.sequence = 0
        self.fault_at: float | None = None
        self.since_connect = 0

    def accept(self) -> None:
        try:
            fresh, _ = self.listener.accept()
        except BlockingIOError:
            return
        self.drop()
        fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fresh.setblocking(False)
        self.client, self.inbox, self.since_connect = fresh, b"", 0
        self.report["clients"] += 1
        print("client", flush=True)

    def drop(self) -> None:
        if self.client is not None:
            self.client.close()
        self.client = None
        self.sent_at.clear()
        self.nonces.clear()

    def send(self, sequence: int) -> None:
        if self.client is None:
            return
        args = self.args
        nonce = round(self.rng.uniform(-1.0, 1.0), 3) if args.nonce else 0.0
        ends = 0 < self.since_connect <= args.ends * args.end_every and self.since_connect % args.end_every == 0
        now_us = time.monotonic_ns() // 1000
        state = state_bytes(sequence, now_us, args.enemies, nonce, args.blx1, self.since_connect, ends)
        frame = self.frame if sequence % args.frame_every == 0 else b""
        size = bytearray(struct.pack("<i", len(state)))
        self.since_connect += 1
        flip = args.flip_every and self.since_connect % args.flip_every == 0
        if flip:
            size[self.rng.randrange(4)] ^= 1 << self.rng.randrange(8)
            self.report["faults"] += 1
            self.fault_at = time.monotonic()
        try:
            self.client.sendall(bytes(size) + state + struct.pack("<i", len(frame)) + frame)
        except OSError:
            self.drop()
            return
        self.report["packets"] += 1
        self.sequence = sequence
        if not flip:
            self.sent_at[sequence] = time.monotonic()
            if args.each:
                self.sent_each.append(self.sent_at[sequence])
            self.nonces[sequence] = nonce
            for old in [s for s in self.sent_at if s < sequence - 240]:
                del self.sent_at[old], self.nonces[old]
        if args.close_every and self.since_connect % args.close_every == 0:
            self.report["faults"] += 1
            self.fault_at = time.monotonic()
            self.drop()

    def read(self) -> bool:
        """Take what has come; False where nothing had."""
        if self.client is None:
            return False
        try:
            data = self.client.recv(65536)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.drop()
            return False
        now = time.monotonic()
        self.inbox += data
        while len(self.inbox) >= 4:
            (size,) = struct.unpack_from("<i", self.inbox)
            if len(self.inbox) < 4 + size:
                break
            self.action(self.inbox[4 : 4 + size], now)
            self.inbox = self.inbox[4 + size :]
        return True

    def counts(self) -> tuple[int, int, int]:
        """Actions so far: with a claim, neither with a claim nor neutral, and neutral."""
        seen = self.report
        return seen["answered"] + seen["claims_unknown"], seen["unclaimed"] - seen["neutral"], seen["neutral"]

    def suspend(self) -> None:
        """Stop this process with nothing left to read; afterwards count what came meanwhile."""
        while self.read():
            pass
        before = self.counts()
        os.kill(os.getpid(), signal.SIGSTOP)
        while self.read():
            pass
        self.report["waiting"].append([now - then for now, then in zip(self.counts(), before, strict=True)])

    def action(self, body: bytes, now: float) -> None:
        self.report["actions"] += 1
        move_x, move_y, look_x, look_y, fire, ability, interact, click = struct.unpack_from("<4f4B", body)
        if not any((move_x, move_y, look_x, look_y, fire, ability, interact, click)):
            self.report["neutral"] += 1
        rest = body[28:] if click else body[20:]
        if len(rest) < 8 or struct.unpack_from("<I", rest)[0] != 0x31584341:
            self.report["unclaimed"] += 1
            return
        (claimed,) = struct.unpack_from("<I", rest, 4)
        sent = self.sent_at.pop(claimed, None)
        if sent is None:
            self.report["claims_unknown"] += 1
            return
        self.report["answered"] += 1
        if self.suspend_after is not None and claimed > self.suspend_after:
            self.suspend_after = None
            SUSPEND.set()
        self.latencies.append(now - sent)
        if self.args.say:
            print("recovered" if self.fault_at is not None else "answered", flush=True)
        if self.args.each:
            self.each.append((sent, round((now - sent) * 1e3, 4)))
        if self.args.nonce and abs(move_x - self.nonces.pop(claimed)) > 1e-4:
            self.report["nonce_wrong"] += 1
        if self.fault_at is not None:
            self.report["recovered_s"].append(round(now - self.fault_at, 4))
            self.fault_at = None

    def result(self) -> dict[str, object]:
        ordered = sorted(self.latencies)

        def at(share: float) -> float | None:
            return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1e3, 3) if ordered else None

        each = {"each": self.each, "sent_each": self.sent_each} if self.args.each else {}
        return {**self.report, **each, "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99), "max_ms": at(1.0)}


def serve(games: list[Game], args: argparse.Namespace) -> None:
    """One loop for all games; packets of the games are spread over the period."""
    period = 1.0 / args.hz
    start = time.monotonic()
    due = [start + period * i / len(games) for i in range(len(games))]
    sequence = [0] * len(games)
    while not STOP.is_set() and time.monotonic() - start < args.seconds:
        sockets = [g.listener for g in games] + [g.client for g in games if g.client is not None]
        timeout = max(0.0, min(due) - time.monotonic())
        readable, _, _ = select.select(sockets, [], [], min(timeout, 0.1))
        for game in games:
            if game.listener in readable:
                game.accept()
            if game.client is not None and game.client in readable:
                game.read()
            if SUSPEND.is_set():
                SUSPEND.clear()
                game.suspend()
        for i, game in enumerate(games):
            now = time.monotonic()
            if now >= due[i]:
                sequence[i] += 1
                game.send(sequence[i])
                due[i] = max(due[i] + period, now - period)
    for game in games:
        game.drop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ports", type=int, nargs="+", default=[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--hz", type=float, default=60.0)
    parser.add_argument("--enemies", type=int, default=40)
    parser.add_argument("--frame", help="file with the bytes of one picture")
    parser.add_argument("--frame-every", type=int, default=6, help="packets from one picture to the next")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--flip-every", type=int, default=0)
    parser.add_argument("--close-every", type=int, default=0)
    parser.add_argument("--nonce", action="store_true")
    parser.add_argument("--ends", type=int, default=0, help="runs that end first, one after --end-every packets each")
    parser.add_argument("--end-every", type=int, default=30)
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--say", action="store_true", help="a line for each answer, for whoever reads them")
    parser.add_argument("--no-blx1", dest="blx1", action="store_false")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: STOP.set())
    games = [Game(port, args, i) for i, port in enumerate(args.ports)]
    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, lambda *_: setattr(games[0], "suspend_after", games[0].sequence))
    print("ports", *[game.port for game in games], flush=True)
    serve(games, args)
    print(json.dumps([game.result() for game in games]), flush=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
