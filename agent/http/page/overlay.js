// Parts of the page for a stream: transparent, sized by ?scale=, chosen by ?show=owner,goal,plan,q,stats,latency,radar.

import { at, bind, byId, OWNERS, show } from "./parts.js";
import { radar } from "./scene.js";
import { Live } from "./wire.js";

const asked = new URLSearchParams(location.search), game = Math.max(0, Number(asked.get("game")) || 0);
const shown = (asked.get("show") || "goal,plan,q").split(",").map((part) => part.trim());
const scale = Math.min(8, Math.max(0.25, Number(asked.get("scale")) || 1));

document.documentElement.style.fontSize = `${16 * scale}px`;
for (const part of document.querySelectorAll("[data-part]")) part.hidden = !shown.includes(part.dataset.part);
byId("overlay").hidden = true;
byId("radar").style.width = byId("radar").style.height = `${240 * scale}px`;

function take(state) {
  const owner = at(state, `status.games.${game}.owner`) || "nobody";
  byId("overlay").hidden = false;
  document.documentElement.dataset.owner = owner in OWNERS ? owner : "nobody";
  document.documentElement.dataset.number = state.number;
  bind(state, game);
  show(byId("owner-name"), `status.games.${game}.owner`, owner, owner.replaceAll("_", " "));
  byId("subgoal-bar").style.width = `${100 * (at(state, `status.planner.games.${game}.share`) || 0)}%`;
  if (shown.includes("radar")) radar(byId("radar"), at(state, `scenes.${game}`), at(state, `decisions.${game}`));
}

window.metabonk = { live: new Live({ state: take, picture: () => {}, hello: () => {}, lost: () => { byId("overlay").hidden = true; } }, { fps: 5, pictures: false }) };
