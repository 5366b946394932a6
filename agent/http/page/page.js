"use strict";
const byId = (id) => document.getElementById(id);
const history = [];

function fill(id, rows, head) {
  const table = byId(id);
  const all = head ? [head, ...rows] : rows;
  table.replaceChildren(...all.map((cells, i) => {
    const tr = document.createElement("tr");
    for (const cell of cells) {
      const td = document.createElement(head && i === 0 ? "th" : "td");
      td.textContent = cell === null || cell === undefined ? "–" : String(cell);
      tr.append(td);
    }
    return tr;
  }));
}

const round = (x, n = 2) => (typeof x === "number" ? x.toFixed(n) : "–");

function spark() {
  const svg = byId("spark");
  const top = Math.max(1, ...history.map((h) => h.p99));
  const line = (key) => history.map((h, i) => `${(i * 240 / 239).toFixed(1)},${(58 - 56 * h[key] / top).toFixed(1)}`).join(" ");
  svg.replaceChildren(...["p99", "p50"].map((key) => {
    const p = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    p.setAttribute("points", line(key));
    p.setAttribute("class", key);
    return p;
  }));
}

function trial(challenge) {
  if (!challenge) return [];
  const c = challenge.challenger;
  const last = (challenge.decisions || []).slice(-1).map((d) => ["last challenger", `${d.version} ${d.decision}: ${d.why}`]);
  if (!c) return last;
  const d = c.difference || c.won_minus_lost;
  return [["champion, challenger", `version ${challenge.champion}, ${c.version} from ${c.source}`],
    ["their runs", `${c.runs.champion}, ${c.runs.challenger}`], ["their means", `${round(c.mean.champion, 1)}, ${round(c.mean.challenger, 1)}`],
    ["difference", `${round(d.mean)} (${round(d.low)} to ${round(d.high)})`], ["runs needed, about", c.runs_needed], ...last];
}

function show(s) {
  byId("policy").textContent = s.policy || "";
  byId("uptime").textContent = `${Math.floor(s.uptime_s || 0)} s`;
  const games = s.games || [];
  const g = games[0] || {};
  const cards = Object.entries((s.choices || {}).cards_by || {}).map(([who, n]) => `${who.replaceAll("_", " ")} ${n}`);
  fill("now", [
    ["menu", g.menu || "in play"], ["health", `${round(g.health, 0)} / ${round(g.max_health, 0)}`],
    ["level", g.level], ["kills", g.kills], ["gold", g.gold], ["run time, s", round(g.game_time_s, 0)],
    ["enemies", g.enemies], ["memory, MB", s.rss_mb],
    ["weights, version", s.policy_version], ["cards by", cards.join(", ") || "–"],
  ]);
  const latency = s.latency || {};
  fill("latency", Object.entries(latency).map(([k, v]) => [k.replaceAll("_", " "), round(v.p50_ms), round(v.p99_ms), round(v.max_ms), v.count]),
    ["stage", "p50", "p99", "max", "n"]);
  const walk = latency.frame_to_action;
  if (walk) {
    history.push({ p50: walk.p50_ms, p99: walk.p99_ms });
    if (history.length > 240) history.shift();
    spark();
  }
  fill("games", games.map((x) => [x.name, x.link.state, x.packet_hz, x.action_hz, x.frame_hz, x.last_error || ""]),
    ["game", "link", "packets/s", "actions/s", "frames/s", "last error"]);
  fill("packets", games.map((x) => [x.name, x.link.received, x.link.acted, x.link.superseded, x.link.rejected, x.link.expired]),
    ["game", "received", "acted", "superseded", "rejected", "expired"]);
  fill("missed", Object.entries(s.deadline_missed || {}));
  const e = s.episodes || {};
  fill("episodes", [["finished", e.count ?? 0], ["wins", e.wins ?? 0],
    ["mean score, s", e.score_s ? round(e.score_s.mean, 1) : "–"], ["mean kills", e.kills ? round(e.kills.mean, 1) : "–"],
    ...trial(s.challenge)]);
}

async function tick() {
  const alive = byId("alive");
  try {
    const answer = await fetch("/status");
    show(await answer.json());
    alive.textContent = "live";
    alive.className = "on";
  } catch {
    alive.textContent = "no answer";
    alive.className = "off";
  }
  setTimeout(tick, 250);
}

function frame() {
  const next = new Image();
  next.onload = () => {
    const shown = byId("frame");
    shown.src = next.src;
    shown.style.display = "block";
    byId("noframe").hidden = true;
    setTimeout(frame, 120);
  };
  next.onerror = () => setTimeout(frame, 1000);
  next.src = `/frame.jpg?${Date.now()}`;
}

tick();
frame();
