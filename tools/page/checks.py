"""What must hold of the page whenever it is looked at: no holes, nothing too wide, nothing that axe-core finds serious.

Each function gives what is wrong in words, nothing where all is well.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from tools.page.axe import installed
from tools.page.browser import Tab

SAME: Final = """
(async () => {
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const shownNumber = () => Number(document.documentElement.dataset.number);
  const at = (values, path) => path.split('.').reduce((found, part) => found?.[part] ?? null, values);
  for (let i = 0; i < 60; i++) {
    const state = await (await fetch('/api/v1/state')).json();
    for (let k = 0; k < 30 && shownNumber() < state.number; k++) await pause(10);
    if (shownNumber() !== state.number) continue;
    const all = [...document.querySelectorAll('[data-at]')].filter((element) => element.checkVisibility());
    const wrong = all.map((element) => [element.dataset.at, element.dataset.value, at(state, element.dataset.at)])
      .filter(([, value, raw]) => JSON.stringify(raw) !== value);
    return { wrong, shown: all.length };
  }
  return null;
})()
"""
"""Every value that is shown, beside that of /api/v1/state; null where the two never were of one number."""
HOLES: Final = """
(() => {
  const main = document.querySelector('main').getBoundingClientRect();
  const boxes = [...document.querySelectorAll('.panel')].map((panel) => panel.getBoundingClientRect());
  const area = boxes.reduce((sum, box) => sum + box.width * box.height, 0);
  const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const cut = [...document.querySelectorAll('.panel, .top, .headline, .big dd, .row')].filter((e) => e.checkVisibility()
    && e.scrollWidth > e.clientWidth + 1).map((e) => e.id || e.className);
  return { share: area / (main.width * main.height), over, cut };
})()
"""
AXE: Final = """
axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations
  .filter((each) => ['serious', 'critical'].includes(each.impact))
  .map((each) => [each.id, each.nodes.slice(0, 4).map((node) => `${node.target.join(' ')}: ${node.failureSummary}`)]))
"""
FOCUSABLE: Final = """
(() => {
  const all = [...document.querySelectorAll('button, a[href], input, select, video[controls], [tabindex="0"]')];
  const seen = all.filter((e) => e.checkVisibility() && !e.disabled && !e.closest('dialog:not([open])'));
  seen.forEach((e, i) => { e.dataset.stop = i; });
  return seen.map((e) => e.id || e.textContent.trim().slice(0, 30) || e.tagName);
})()
"""


async def holes(tab: Tab) -> list[str]:
    """Space that no group of the page fills, and what is wider than its place."""
    found: dict[str, Any] = await tab.run(HOLES)
    wrong = [f"{name} is cut off" for name in found["cut"]]
    if found["share"] <= 0.99:
        wrong.append(f"only {found['share']:.1%} of the page is filled")
    return wrong + ([f"{found['over']} px too wide"] if found["over"] > 0 else [])


async def axe(tab: Tab) -> list[str]:
    """What axe-core calls serious or worse; needs `python -m tools.page.axe install`."""
    script = installed()
    assert script is not None, "python tools/check.py installs axe-core"
    if not await tab.run("'axe' in window"):
        await tab.run(f"{await asyncio.to_thread(script.read_text, 'utf-8')};0")
    return [json.dumps(each) for each in await tab.run(AXE)]


async def unreachable(tab: Tab) -> list[str]:
    """What can be pressed and is not reached by the Tab key."""
    names: list[str] = await tab.run(FOCUSABLE)
    await tab.run("document.activeElement.blur(); document.body.tabIndex = -1; document.body.focus(); 0")
    reached = set()
    for _ in range(2 * len(names)):
        await tab.key("Tab", "Tab")
        stop = await tab.run("document.activeElement?.dataset?.stop ?? ''")
        if stop in reached:
            break
        reached.add(stop)
    return [name for i, name in enumerate(names) if str(i) not in reached]
