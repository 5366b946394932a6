"""The suite sees what blocks a loop and what fails on it unseen."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import blockbuster
import pytest

from agent.core.clock import SystemClock
from agent.core.latency import Latency
from agent.core.settings import load_settings
from agent.session.guard import guard
from tests import loop_guard


@pytest.fixture(autouse=True)
def _forgotten(_watched_test: None) -> Iterator[None]:
    """What these tests leave on purpose does not fail them."""
    yield
    loop_guard.found.clear()


def test_a_blocking_call_of_the_program_on_the_loop_raises_and_is_kept(tmp_path: Path) -> None:
    """A test may call a plain function of the program on a loop; what the program awaits may not block it."""
    path = tmp_path / "settings.toml"
    path.write_text("")

    async def main() -> None:
        load_settings(path, {})
        with pytest.raises(blockbuster.BlockingError):
            await guard([], SystemClock(), Latency(), lambda: load_settings(path, {}))  # type: ignore[arg-type, return-value]

    asyncio.run(main())
    assert len(loop_guard.found) == 1 and "guard.py" in loop_guard.found[0] and "settings.py" in loop_guard.found[0]


def test_a_failure_that_nobody_looked_at_is_kept() -> None:
    async def fails() -> None:
        raise LookupError("nobody looks")

    async def main() -> None:
        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        del task

    asyncio.run(main())
    gc.collect()
    assert "nobody looks" in "".join(loop_guard.found)


def test_loops_begin_in_debug_mode_and_a_coroutine_that_is_never_awaited_is_an_error() -> None:
    async def main() -> bool:
        return asyncio.get_running_loop().get_debug()

    async def later() -> bool:
        await asyncio.sleep(2 * loop_guard.DEBUG_S)
        return asyncio.get_running_loop().get_debug()

    def forget() -> None:
        main()
        gc.collect()

    assert asyncio.run(main()) and not asyncio.run(later())
    with pytest.warns(RuntimeWarning, match="never awaited"):
        forget()


@pytest.mark.parametrize("name", ["", "call_soon", "call_later"])
def test_a_callback_that_raises_is_kept(name: str) -> None:
    def fails() -> None:
        raise LookupError("nobody looks")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ways: dict[str, Callable[[], object]] = {
            "": lambda: None,
            "call_soon": lambda: loop.call_soon(fails),
            "call_later": lambda: loop.call_later(0.001, fails),
        }
        ways[name]()
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert bool(loop_guard.found) == bool(name)
