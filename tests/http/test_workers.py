"""The learner's HTTP as other people's workers call it: recorded requests, refusals, versions, events."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load

from agent.learner import client, held
from agent.learner.bodies import MAX_NUMBERS
from agent.learning.configs import MAX_VERSIONS_OLD, Budget
from agent.store.store import WeightsStore
from tests.http.api_side import PACKS, TOKEN, WRITES, Api, api

RECORDED = Path(__file__).resolve().parents[1] / "golden" / "learner_http"
LOSSES = {"policy_loss", "value_loss", "entropy", "wm_recon", "wm_reward", "wm_kl", "dream_actor_loss"}


def rollout(steps: int = 40, features: int = 5, **changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "instance_id": "w", "policy_name": "p", "obs": rng.normal(size=(steps, features)).tolist(),
        "actions_cont": rng.uniform(-1, 1, (steps, 2)).tolist(),
        "actions_disc": [[1, 2]] * steps, "rewards": [0.5] * steps, "dones": [i % 20 == 19 for i in range(steps)],
    } | changes  # fmt: skip


def recorded(port: int, name: str) -> tuple[int, Any]:
    """Replay a recorded request with a client that knows nothing of ours."""
    asked = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    body = None if asked["body"] is None else json.dumps(asked["body"]).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"} if body else {}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{asked['path']}", body, headers | asked["headers"], method=asked["method"]
    )
    try:
        with urllib.request.urlopen(request, timeout=240) as reply:
            text = reply.read()
            return reply.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


class Shared(NamedTuple):
    """One running API with one learner's process, for tests whose policies have names of their own."""

    runner: asyncio.Runner
    side: Api
    folder: Path


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    folder = tmp_path_factory.mktemp("shared")
    with asyncio.Runner() as runner:
        context = api(folder)
        yield Shared(runner, runner.run(context.__aenter__()), folder)
        runner.run(context.__aexit__(None, None, None))


@pytest.mark.slow
def test_a_worker_that_someone_else_wrote_registers_pushes_and_fetches(shared: Shared) -> None:
    async def main() -> None:
        side = shared.side
        said: dict[str, tuple[int, Any]] = {}
        for path in sorted(RECORDED.glob("*.json"), key=lambda p: int(p.stem.partition("_")[0])):
            said[path.stem] = await asyncio.to_thread(recorded, side.port, path.stem)
        assert said["1_register"][0] == 200 and said["1_register"][1]["policy_name"] == "Greed"
        assert said["2_get_weights_early"] == (204, None)
        pushed = said["3_push_rollout"][1]
        assert pushed["ok"] and pushed["version"] == 2 and pushed["losses"].keys() >= LOSSES - {"dream_actor_loss"}
        assert pushed["ignored"] == ["hparams"] and pushed["parked"] == {}
        weights = said["4_get_weights"][1]
        assert weights["version"] == 2 and weights["policy_name"] == "Greed"
        tensors = load(base64.b64decode(weights["weights_b64"]))
        assert tensors["actor.4.weight"].shape == (2 + 2 + 3, 64), "two axes, branches of 2 and 3"
        events = said["6_get_events"][1]["events"]
        assert events[-1]["event_type"] == "WorkerStarted" and events[-1]["payload"] == {"gpu": 0}
        assert said["7_metrics"][1]["Greed"].keys() >= {"policy_loss", "wm_kl"}
        demo = said["8_push_demo"][1]
        assert demo["metrics"]["demo_loss"] < demo["metrics"]["demo_loss_before"] and demo["version"] == 3
        assert said["9_get_cpqe"][0] == 404
        assert said["10_merge"][0] == 404 and "Lust" in said["10_merge"][1]["error"]
        assert "Greed" in WeightsStore(shared.folder).policies()

    shared.runner.run(main())


@pytest.mark.slow
def test_versions_go_on_after_a_restart_and_after_the_learners_process_was_killed(tmp_path: Path) -> None:
    async def main() -> None:
        async with api(tmp_path) as side:
            first = await side.post("/push_rollout", rollout())
            assert first["version"] == 2
            before = await weights_of(side)
            pid = side.learning.child.pid
            assert pid is not None
            push = asyncio.ensure_future(side.http.post("/push_rollout", json=rollout(400), headers=WRITES))
            while side.learning.child.waiting == 0:
                await asyncio.sleep(0.001)
            os.kill(pid, signal.SIGKILL)
            async with await push as reply:
                assert reply.status == 503 and reply.headers["Retry-After"]
                assert "process ended" in (await reply.json())["error"]
            same = await weights_of(side)
            assert all((same[k] == v).all() for k, v in before.items()), "the last good weights are served on"
            again = await side.post("/push_rollout", rollout())
            assert again["version"] == 3 and side.supervisor.faults == {"learner": 1} and not side.supervisor.parked
        async with api(tmp_path) as side:
            assert (await side.post("/push_rollout", rollout()))["version"] == 4
            await side.get("/get_weights?policy_name=p&since_version=4", 204)
            assert (await side.get("/get_weights?policy_name=p&since_version=3"))["version"] == 4

    asyncio.run(main())


async def weights_of(side: Api) -> dict[str, Any]:
    found = await side.get("/get_weights?policy_name=p&since_version=-1")
    return dict(load(base64.b64decode(found["weights_b64"])))


@pytest.mark.slow
def test_a_part_that_fails_is_parked_and_named_and_the_others_go_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with api(tmp_path, Budget(world_length=0, world_batch=1)) as side:
            one = await side.post("/push_rollout", rollout(64))
            assert one["ok"] and list(one["parked"]) == ["world_model"]
            assert one["losses"].keys() >= {"policy_loss", "value_loss", "entropy"}
            assert "p: world_model" in side.supervisor.parked
            two = await side.post("/push_rollout", rollout(64))
            assert two["version"] == 3 and list(two["parked"]) == ["world_model"] and "ppo" in two["seconds"]

    asyncio.run(main())


def test_bodies_that_cannot_be_used_are_refused_with_their_field(tmp_path: Path) -> None:
    bad: list[tuple[dict[str, Any], str]] = [
        (rollout(obs=[[1.0], [1.0, 2.0]]), "rows differ"),
        (rollout(rewards=[1.0]), "rewards"),
        (rollout(dones=["yes"] * 40), "dones"),
        (rollout(actions_disc=[[0.5, 1]] * 40), "whole numbers"),
        (rollout(actions_disc=[[-1, 1]] * 40), "actions_disc"),
        (rollout(actions_cont=[[1.0, 0.0]] * 3), "actions_cont"),
        (rollout(policy_name="../../etc"), "policy name"),
        (rollout(obs=[]), "obs"),
        (rollout(obs={"dtype": "f4", "shape": [40, 5], "data": "AAAA"}), "its shape"),
        (rollout(obs={"dtype": "O", "shape": [1], "data": ""}), "dtype"),
        (rollout(rewards=[1e300] * 40), "not finite"),
        ({"policy_name": "p"}, "instance_id"),
    ]

    async def main() -> None:
        async with api(tmp_path) as side:
            for body, reason in bad:
                assert reason in (await side.post("/push_rollout", body, 400))["error"]
            for data in (b"{", b"[" * 200_000, b"\xff\xfe", b"\x80\x04K\x01.", b'{"obs": NaN}', b""):
                async with side.http.post("/push_rollout", data=data, headers=WRITES) as reply:
                    assert reply.status == 400
                async with side.http.post("/push_rollout", data=data, headers=PACKS) as reply:
                    assert reply.status == 400
            await side.get("/get_weights?policy_name=nobody&since_version=-1", 404)
            await side.get("/get_weights?policy_name=nobody&since_version=x", 400)
            await side.get("/get_weights?policy_name=..%2Fx", 400)
            assert side.learning.child.starts == 0 and not list(tmp_path.iterdir())

    asyncio.run(main())


def test_a_policy_whose_learners_would_take_too_much_is_refused_before_anything_is_made_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "max_learner_bytes", lambda: 64 << 20)

    async def main() -> None:
        async with api(tmp_path) as side:
            shape = {"obs_dim": 1 << 16, "action_dim": 64, "branches": [1024] * 32}
            hello = {"instance_id": "w", "policy_name": "wide", "capabilities": shape}
            for _ in range(2):
                assert "at most 64 MiB" in (await side.post("/register_worker", hello, 503))["error"]
            assert side.learning.child.starts == 0 and not side.learning.policies["wide"].features
            long = hello | {"capabilities": {"obs_dim": ["x" * 1000] * 100}}
            assert len((await side.post("/register_worker", long, 400))["error"]) <= 1000

    asyncio.run(main())


def test_of_the_files_that_workers_fetch_only_so_many_bytes_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "FILES_BYTES", 3000)
    store = WeightsStore(tmp_path)
    for name in "abc":
        tensors = {"w": np.zeros(256, np.float32)}
        store.publish(name, tensors, kind=client.KIND, layout={"features": 1, "continuous": 1, "branches": []})

    async def main() -> None:
        async with api(tmp_path) as side:
            for name in "abcab":
                found = await side.get(f"/get_weights?policy_name={name}")
                assert found["version"] == 1 and load(base64.b64decode(found["weights_b64"]))["w"].shape == (256,)
            assert 0 < sum(len(kept.data) for kept in side.learning._files.values()) <= 3000

    asyncio.run(main())


def test_sizes_are_held_to_their_limits_before_anything_is_made_of_them(tmp_path: Path) -> None:
    async def main() -> None:
        async with api(tmp_path) as side:
            for path, length in (("/events", (1 << 20) + 1), ("/push_rollout", (32 << 20) + 1)):
                headers = WRITES | {"Content-Length": str(length)}
                reader, writer = await asyncio.open_connection("127.0.0.1", side.port)
                lines = [
                    f"POST {path} HTTP/1.1",
                    f"Host: 127.0.0.1:{side.port}",
                    *(f"{k}: {v}" for k, v in headers.items()),
                ]
                writer.write("\r\n".join([*lines, "", ""]).encode())
                assert b" 413 " in await asyncio.wait_for(reader.readline(), 5), "answered before the body comes"
                writer.close()
            numbers = b'{"obs": [[' + b"1," * (MAX_NUMBERS + 1) + b"1]]}"
            async with side.http.post("/push_rollout", data=io.BytesIO(numbers), headers=WRITES) as reply:
                assert reply.status == 413 and "numbers" in (await reply.json())["error"]

    asyncio.run(main())


@pytest.mark.slow
def test_large_bodies_are_decoded_in_another_process_and_msgpack_with_packed_arrays_is_taken(shared: Shared) -> None:
    async def main() -> None:
        side = shared.side
        body = rollout(300, 400, policy_name="large")
        assert (await side.post("/push_rollout", body))["ok"] and side.decoder.child.starts == 1
        packed = {"dtype": "f4", "shape": [300, 400], "data": np.array(body["obs"], "<f4").tobytes()}
        data = msgspec.msgpack.encode(body | {"obs": packed, "log_probs": [-1.5] * 300, "values": [0.1] * 300})
        async with side.http.post("/push_rollout", data=io.BytesIO(data), headers=PACKS) as reply:
            said = msgspec.msgpack.decode(await reply.read())
            assert said["ok"] and said["version"] == 3
        headers = {"Accept": "application/msgpack"}
        async with side.http.get("/get_weights?policy_name=large&since_version=-1", headers=headers) as reply:
            found = msgspec.msgpack.decode(await reply.read())
            assert found["version"] == 3 and load(found["weights"])["norm.mean"].shape == (400,)
        event = {"event_type": "Big", "payload": "x" * (300 << 10)}
        assert (await side.post("/events", event))["event_id"] == side.events.newest(1)[0].event_id

    shared.runner.run(main())


@pytest.mark.slow
def test_the_first_that_says_a_shape_fixes_it_and_what_old_weights_did_is_dropped_and_counted(shared: Shared) -> None:
    async def main() -> None:
        side = shared.side
        hello = {"obs_dim": 5, "action_dim": 2, "branches": [2, 4]}
        made = await side.post("/register_worker", {"instance_id": "w", "policy_name": "p", "capabilities": hello})
        assert made["version"] == 1 and (await weights_of(side))["actor.4.weight"].shape[0] == 2 + 2 + 4
        assert (await side.post("/push_rollout", rollout(actions_disc=[[1, 3]] * 40)))["ok"]
        for wrong in (
            rollout(actions_disc=[[1, 4]] * 40), rollout(features=6), rollout(actions_cont=[[0.0]] * 40),
            rollout(actions_disc=[[1]] * 40),
        ):  # fmt: skip
            assert "policy p" in (await side.post("/push_rollout", wrong, 400))["error"]
        assert (
            "observes"
            in (
                await side.post(
                    "/register_worker",
                    {"instance_id": "w", "policy_name": "p", "capabilities": {"obs_dim": 9}},
                    400,
                )
            )["error"]
        )
        for _ in range(MAX_VERSIONS_OLD + 2):
            newest = (await side.post("/push_rollout", rollout(8)))["version"]
        kept = await side.post("/push_rollout", rollout(8, policy_version=newest - MAX_VERSIONS_OLD))
        assert kept["ok"] and kept["version"] == newest + 1
        old = await side.post("/push_rollout", rollout(8, policy_version=1))
        assert not old["ok"] and "older" in old["dropped"] and old["losses"].keys() >= {"policy_loss", "wm_kl"}
        assert side.learning.status()["policies"]["p"]["stale"] == 1
        await side.post("/push_rollout", rollout(8, policy_version=newest + 9), 400)

    shared.runner.run(main())


def test_events_go_on_beyond_the_ring_and_a_slow_reader_is_told_what_it_missed(tmp_path: Path) -> None:
    async def main() -> None:
        async with api(tmp_path) as side:
            async with side.http.get("/events/stream") as reply:
                assert reply.content_type == "text/event-stream"
                assert await reply.content.readline() == b": events follow\n"
                for i in range(1500):
                    side.events.add("tick", str(i), {"i": i})
                    if i % 100 == 0:
                        await asyncio.sleep(0.01)
                text = b""
                while b'"i":1499' not in text:
                    text += await asyncio.wait_for(reply.content.readany(), 5)
                assert text.count(b"event: tick") + text.count(b"event: gap") > 900
                for _ in range(20_000):
                    side.events.add("burst", "x" * 200)
                while b"event: gap" not in text:
                    text = text[-200:] + await asyncio.wait_for(reply.content.readany(), 5)
                assert json.loads(text.partition(b"event: gap\ndata: ")[2].splitlines()[0])["missed"] > 10_000
            streams = [await side.http.get("/events/stream") for _ in range(8)]
            async with side.http.get("/events/stream") as reply:
                assert reply.status == 503
            for stream in streams:
                stream.close()
            newest = (await side.get("/events?limit=2000"))["events"]
            ids = [event["event_id"] for event in newest]
            assert len(ids) == 1000 and ids == sorted(ids) and len(set(ids)) == 1000

    asyncio.run(main())
