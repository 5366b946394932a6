"""Events are kept and given out by their bytes, not only by their number."""

from __future__ import annotations

import asyncio

import msgspec

from agent.core.clock import VirtualClock
from agent.http.events import ANSWER_BYTES, KEEP_BYTES, QUEUE_BYTES, EventLog, Gap

BIG = msgspec.json.encode("x" * (1 << 20))


def test_large_events_make_others_go_and_an_answer_holds_what_fits() -> None:
    log = EventLog(VirtualClock())
    for _ in range(100):
        log.add_raw("big", "", BIG, "w")
    assert log.n_bytes <= KEEP_BYTES and 10 <= len(log.newest(1000)) <= 16
    for limit in (1000, 2):
        said = log.newest_json(limit)
        ids = [event["event_id"] for event in msgspec.json.decode(said)["events"]]
        assert len(said) <= ANSWER_BYTES + 64 and ids == list(range(101 - len(ids), 101)) and len(ids) == min(limit, 3)
    assert msgspec.json.decode(log.newest_json(0)) == {"events": []}


def test_the_newest_event_is_always_there_however_large_it_is() -> None:
    log = EventLog(VirtualClock(), keep_bytes=1000)
    log.add("small", "")
    log.add_raw("big", "", BIG, "w")
    assert [event.event_type for event in log.newest(5)] == ["big"]
    assert len(msgspec.json.decode(log.newest_json(5, 1000))["events"]) == 1
    log.add("small", "")
    assert [event.event_type for event in log.newest(5)] == ["small"]


def test_a_reader_that_does_not_read_holds_few_bytes_and_is_told_what_it_missed() -> None:
    async def main() -> None:
        log = EventLog(VirtualClock())
        with log.follow() as reader:
            for _ in range(50):
                log.add_raw("big", "", BIG, "w")
            first = await reader.next()
            assert isinstance(first, Gap) and 46 <= first.missed < 50 and first.last_id == first.missed
            rest = [await reader.next() for _ in range(50 - first.missed)]
            assert sum(len(item.json) for item in rest if not isinstance(item, Gap)) <= QUEUE_BYTES

    asyncio.run(main())
