"""Draw the page from real play in a headless Chromium: twelve pictures of what people see, and those of the docs.

    python -m tools.page.shots [--out build/screenshots] [--only play replay …] [--docs docs/pictures] [--check]

Every picture is of a session that plays the built-in arena in this process with the shipped pilot. `--docs` also writes
page.png and overlay.png for the documentation. `--check` looks at each for holes, for what is cut off and for what
axe-core finds, and ends with 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import cv2

from agent.control.policies import build_policy
from agent.core.choices import WANTED
from agent.core.types import NEUTRAL, Menu
from agent.learning.configs import Budget
from agent.link.endpoint import Endpoint
from agent.training.evaluate import observe
from tools.page import checks
from tools.page.browser import Tab, browsing
from tools.page.played import ArenaSide, Played, playing

WIDE, LAPTOP, PHONE = (1920, 1080), (1280, 720), (390, 844)
SEED: Final = 7
AHEAD_S: Final = 118.0
"""How far the scripted player has come when the pilot takes over."""
CHECKED: list[str] | None = None
"""What is wrong in the pictures, None where nobody asks."""
Draw = Callable[[Tab, Path], Awaitable[None]]


def advanced(seconds: float = AHEAD_S) -> ArenaSide:
    """An arena some way into a run, played there by the scripted player without a clock."""
    side = ArenaSide(seed=SEED)
    policy, game = build_policy("kiter"), side.game
    carry = policy.initial(1)
    for tick in range(int(60 * seconds)):
        carry, actions = policy.step(carry, [observe(game, 0, game.state(), None, tick)])
        game.tick(actions[0] or NEUTRAL)
    return side


async def snap(tab: Tab, path: Path, *, whole: bool = False) -> None:
    """Write a picture, and note what is wrong in it."""
    await tab.picture(path, whole=whole)
    if CHECKED is not None:
        CHECKED.extend(f"{path.name}: {wrong}" for wrong in [*await checks.holes(tab), *await checks.axe(tab)])


@contextlib.asynccontextmanager
async def shown(
    tab: Tab, folder: Path, size: tuple[int, int] = WIDE, path: str = "", **more: Any
) -> AsyncIterator[Played]:
    """A session that plays, with its page open in the tab."""
    async with playing(folder, **more) as played:
        await tab.size(*size, phone=size == PHONE)
        await tab.open(played.address + (path or played.access.link()))
        await tab.until("document.documentElement.dataset.number !== undefined")
        yield played


async def until_menu(played: Played, menu: str, press: Callable[[], None] = lambda: None) -> None:
    """Play until a menu shows, and stand still in it once its picture was sent. press: called until then."""
    side = played.arena
    async with asyncio.timeout(240):
        while side.game.state().current_menu != menu:
            press()
            await asyncio.sleep(0.005)
        side.holds = True
        await asyncio.sleep(1.0)
    side.paused = True
    await asyncio.sleep(0.5)


async def menu(tab: Tab, out: Path) -> None:
    """The main menu, in which nobody presses anything."""
    side = await asyncio.to_thread(lambda: ArenaSide(start="menu"))
    side.holds = True
    with tempfile.TemporaryDirectory() as folder:
        async with shown(tab, Path(folder), arenas=[side]):
            await asyncio.sleep(4.0)
            await snap(tab, out / "menu.png")


async def play(tab: Tab, out: Path) -> None:
    """Play, two minutes into a run; and the same on a phone, in light, and as an overlay."""
    with tempfile.TemporaryDirectory() as folder:
        side = await asyncio.to_thread(advanced)
        async with shown(tab, Path(folder), arenas=[side], wanted=WANTED) as played:
            await asyncio.sleep(14.0)
            await tab.run("document.querySelector('[data-clip=\"10\"]').click()")
            await asyncio.sleep(12.0)
            await snap(tab, out / "play.png")
            await tab.size(*LAPTOP)
            await asyncio.sleep(1.0)
            await snap(tab, out / "play-laptop.png")
            await tab.size(*PHONE, phone=True)
            await asyncio.sleep(1.0)
            await snap(tab, out / "phone.png", whole=True)
            await tab.size(*WIDE, light=True)
            await asyncio.sleep(1.0)
            await snap(tab, out / "play-light.png")
            await tab.size(960, 620)
            await tab.open(f"{played.address}/overlay?show=owner,goal,plan,q,stats,radar&scale=1")
            await tab.until("document.documentElement.dataset.number !== undefined")
            await asyncio.sleep(0.5)
            path = await tab.picture(out / "overlay.png", transparent=True)
            await tab.call("Emulation.setDefaultBackgroundColorOverride")
            check_corners(path)


def check_corners(path: Path) -> None:
    """Every corner of the overlay is transparent, and something in it is not."""
    alpha = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:, :, 3]
    corners = [int(alpha[y, x]) for y in (0, -1) for x in (0, -1)]
    if any(corners) or alpha.max() < 200:
        raise SystemExit(f"{path}: corners {corners}, the darkest {alpha.max()}; they must be transparent")


async def level_up(tab: Tab, out: Path) -> None:
    """A menu of cards."""
    with tempfile.TemporaryDirectory() as folder:
        side = await asyncio.to_thread(advanced, 60.0)
        async with shown(tab, Path(folder), arenas=[side]) as played:
            await until_menu(played, Menu.LEVEL_UP)
            await snap(tab, out / "level-up.png")


async def death(tab: Tab, out: Path) -> None:
    """The end of a run."""
    with tempfile.TemporaryDirectory() as folder:
        side = await asyncio.to_thread(advanced, 30.0)
        async with shown(tab, Path(folder), arenas=[side]) as played:
            await asyncio.sleep(6.0)

            def hurt() -> None:
                side.game.world["hp"] = min(0.5, float(side.game.world["hp"]))

            await until_menu(played, Menu.DEATH, hurt)
            await snap(tab, out / "death.png")


async def learning(tab: Tab, out: Path) -> None:
    """Learning while it plays, with a real learner."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as weights:
        more = {"learn": True, "weights_dir": Path(weights), "budget": Budget(world_steps=1, world_batch=4)}
        async with shown(tab, Path(folder), **more) as played:
            async with asyncio.timeout(600):  # a learner starts slowly on a busy machine
                while not played.session.status.status()["learning"]["rollouts"] >= 1:
                    await asyncio.sleep(0.5)
            await asyncio.sleep(3.0)
            await snap(tab, out / "learning.png")


async def takeover(tab: Tab, out: Path) -> None:
    """A person plays."""
    with tempfile.TemporaryDirectory() as folder:
        side = await asyncio.to_thread(advanced, 40.0)
        async with shown(tab, Path(folder), arenas=[side]):
            await tab.until("document.querySelector('#takeover').getAttribute('aria-disabled') === 'false'")
            await tab.key(" ", "Space")
            await tab.key("w", up=False)
            await tab.key("ArrowRight", "ArrowRight", up=False)
            await asyncio.sleep(2.5)
            await snap(tab, out / "takeover.png")


async def eight(tab: Tab, out: Path) -> None:
    """Eight games at once, the third of them shown."""
    with tempfile.TemporaryDirectory() as folder:
        sides = [ArenaSide(seed=SEED + i, hz=10.0, capture_px=(320, 180)) for i in range(8)]
        async with shown(tab, Path(folder), arenas=sides):
            await tab.until("document.querySelector('#game').options.length === 8")
            await tab.run(
                "const s = document.querySelector('#game'); s.value = 2; s.dispatchEvent(new Event('change'))"
            )
            await asyncio.sleep(12.0)
            await snap(tab, out / "eight-games.png")


async def replay(tab: Tab, out: Path) -> None:
    """A recording, and two beside each other; then the page after its session ended."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        side = await asyncio.to_thread(advanced, 80.0)
        async with shown(tab, folder, arenas=[side]):
            await asyncio.sleep(18.0)
        await asyncio.sleep(1.5)
        await snap(tab, out / "ended.png")
        again = await asyncio.to_thread(ArenaSide)
        first = "20260101-000000-1"
        (folder / first).rename(folder / "20260101-000000-0")
        async with shown(tab, folder, arenas=[again], path="/") as played:
            await asyncio.sleep(12.0)
            await tab.open(f"{played.address}/?replay=20260101-000000-0&t=12")
            await tab.until("document.querySelector('#stage-note').hidden && document.documentElement.dataset.number")
            await asyncio.sleep(1.5)
            await snap(tab, out / "replay.png")
            await tab.open(f"{played.address}/?replay=20260101-000000-0&t=9&with={first}")
            await tab.until(
                "document.querySelectorAll('#beside tr').length && document.querySelector('#stage-note').hidden"
            )
            await asyncio.sleep(2.0)
            await snap(tab, out / "compare.png")


async def no_game(tab: Tab, out: Path) -> None:
    """A session whose game does not answer."""
    with tempfile.TemporaryDirectory() as folder:
        async with shown(tab, Path(folder), endpoints=(Endpoint("127.0.0.1", 9),)):
            await asyncio.sleep(2.5)
            await snap(tab, out / "no-game.png")


DRAWN: Final[dict[str, Draw]] = {
    "menu": menu, "play": play, "level-up": level_up, "death": death, "learning": learning, "takeover": takeover,
    "eight-games": eight, "replay": replay, "no-game": no_game,
}  # fmt: skip


async def draw(out: Path, only: list[str]) -> None:
    """Draw those pictures, one after the other."""
    with tempfile.TemporaryDirectory() as profile:
        async with browsing(Path(profile)) as tab:
            for name in only:
                await DRAWN[name](tab, out)
                errors = [text for text in tab.errors if "ERR_CONNECTION_REFUSED" not in text]  # a session ended
                print(f"{name}: {'; '.join(errors) or 'no error'}", flush=True)
                tab.errors.clear()


def main() -> None:
    """Draw all pictures, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/screenshots"))
    parser.add_argument("--only", nargs="+", choices=DRAWN, default=list(DRAWN))
    parser.add_argument("--docs", type=Path, help="also write the pictures of the documentation there")
    parser.add_argument("--check", action="store_true", help="look for holes and for what axe-core finds")
    args = parser.parse_args()
    global CHECKED
    CHECKED = [] if args.check else None
    asyncio.run(draw(args.out, args.only))
    if args.docs is not None:
        for source, name in (("play", "page"), ("replay", "page_replay"), ("overlay", "overlay")):
            picture = cv2.imread(str(args.out / f"{source}.png"), cv2.IMREAD_UNCHANGED)
            if source != "overlay":
                picture = cv2.resize(picture, LAPTOP, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(args.docs / f"{name}.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if CHECKED:
        raise SystemExit("\n".join(CHECKED))


if __name__ == "__main__":
    main()
