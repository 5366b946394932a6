"""What is served is built from what is there, and says what is not."""

from __future__ import annotations

from agent.http.live.part import LiveApi
from agent.http.part import HttpServer
from agent.http.recordings.api import RecordingsApi
from agent.http.steering.part import SteeringApi
from tests.test_app import session


def test_all_parts_are_there_with_a_server_and_none_without() -> None:
    served, silent = session(http_port=0, http_token="t" * 43), session(http_port=None)
    for kind in (LiveApi, SteeringApi, RecordingsApi, HttpServer):
        assert isinstance(served.part(kind), kind)
        assert not any(isinstance(part, kind) for part in silent.parts)
    steering = served.part(SteeringApi)
    assert steering.store is None and steering.live is None and steering.access is served.part(HttpServer).access
    for made in (served, silent):
        for closed in (*made.parts, *made.lanes):
            closed.close()
