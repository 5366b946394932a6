"""The weights in play as parts: a file is taken up by one, and taken back by the other when it fails."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.models.sealed import save_sealed
from agent.store.part import WeightsMend, WeightsWatch
from tests.store.test_reload import Table, weights


def test_a_file_is_taken_up_and_taken_back(tmp_path: Path) -> None:
    async def main() -> None:
        table = Table(tmp_path)
        watch, mend = WeightsWatch(table.reloader, False), WeightsMend(table.reloader)
        assert mend.is_essential and not watch.is_essential
        await watch.begin()
        assert watch.status()["version"] == table.policy.version == 1
        tasks = [asyncio.ensure_future(run) for run in (watch.run(), mend.run(), table.actor.act())]
        save_sealed(
            tmp_path / "bad.safetensors", weights(7), kind="test", layout={"x": 1}, sizes={}, created_by="a test"
        )
        sensing = asyncio.ensure_future(table.feed.sense(lambda data, top_down: None, table.lane))  # type: ignore
        table.feed.on_up()
        await table.settle(lambda: table.policy.version == 3)
        assert watch.status()["rollbacks"][0]["taken_back"] == 2
        for task in (*tasks, sensing):
            task.cancel()
        await asyncio.gather(*tasks, sensing, return_exceptions=True)
        assert table.reloader.store.is_played("gain")
        watch.close()
        assert not table.reloader.store.is_played("gain")
        table.lane.close()
        table.disk.close()

    asyncio.run(main())
