// A recording in the page: any moment of it, at any speed, beside another one, with links that hold the time.

import { byId, clock, list, node, put } from "./parts.js";
import { draw as chart } from "./charts.js";

const FETCH_MS = 100, MAX_MARKS = 200;
let id = "", other = "", game = 0, at = 0, length = 0, playing = false, speed = 1, on = null, busy = false, due = false, lastMs = 0, overview = null;

async function read(path) {
  const reply = await fetch(path), values = await reply.json();
  if (!reply.ok) throw new Error(values.error || `status ${reply.status}`);
  return values;
}

// A moment in the shape of a live state, so that the same parts draw it; what was not recorded is absent.
function asState(moment) {
  const v = moment.values, run = { level: v.level, kills: v.kills, gold: v.gold };
  return {
    number: moment.number, time_ns: Math.round(1e9 * moment.at_s), scenes: { [game]: v.scene }, decisions: { [game]: v.decision },
    status: { version: overview.header.program, policy: v.policy, real_time: overview.header.real_time, games: { [game]: { ...run, owner: v.decision ? v.decision.owner : "nobody", game_time_s: v.scene.time_s, link: { state: "up" }, pictures: {} } },
      planner: v.decision && v.decision.subgoal ? { goal: { text: "as recorded" }, games: { [game]: { subgoal: v.decision.subgoal } }, llm: null } : undefined },
  };
}

async function picture(of, canvas) {
  const reply = await fetch(`/api/v1/replay/${encodeURIComponent(of)}/frame.jpg?game=${game}&t=${at.toFixed(3)}`);
  if (reply.ok) await on.draw(await reply.blob(), canvas);
  return reply.ok;
}

async function show() {
  if (busy) { due = true; return; }
  busy = true;
  do {
    due = false;
    const t = at.toFixed(3);
    try {
      const moment = await read(`/api/v1/replay/${encodeURIComponent(id)}?game=${game}&t=${t}`);
      on.take(asState(moment));
      const has = moment.has_picture && await picture(id, byId("picture"));
      byId("stage-note").hidden = has;
      put(byId("stage-note"), has ? "" : "No picture was recorded here.");
      if (other) await beside(t, moment);
    } catch (error) { put(byId("stage-note"), error.message); byId("stage-note").hidden = false; playing = false; }
  } while (due);
  busy = false;
}

// The values of both recordings at this time, line by line.
async function beside(t, here) {
  const rows = [["", id, other]], table = () => list(byId("beside"), rows, () => node("tr"), (tr, cells, k) => list(tr, cells, () => node(k ? "td" : "th"), put));
  let there;
  try { there = await read(`/api/v1/replay/${encodeURIComponent(other)}?game=${game}&t=${t}`); await picture(other, byId("picture2")); } catch (error) { rows.push(["", "", error.message]); table(); return; }
  const values = (moment) => [clock(moment.values.scene.time_s), moment.values.scene.health.toFixed(0), moment.values.level ?? "–", moment.values.kills ?? "–", moment.values.gold ?? "–", moment.values.scene.enemies_in_all, moment.values.decision ? moment.values.decision.owner : "nobody"];
  const left = values(here), right = values(there);
  ["run", "health", "level", "kills", "gold", "enemies", "acts"].forEach((name, i) => rows.push([name, String(left[i]), String(right[i])]));
  table();
}

function seek(seconds) {
  at = Math.min(length, Math.max(0, seconds));
  byId("scrub").value = at;
  put(byId("scrub-time"), `${clock(at)} / ${clock(length)}`);
  show();
}

function tick(nowMs) {
  if (playing) {
    if (nowMs - lastMs >= FETCH_MS) { seek(at + speed * (nowMs - lastMs) / 1000); lastMs = nowMs; }
    if (at >= length) setPlaying(false);
    requestAnimationFrame(tick);
  }
}

function setPlaying(want) {
  playing = want;
  byId("play").setAttribute("aria-pressed", String(want));
  put(byId("play"), want ? "Pause" : "Play");
  lastMs = performance.now();
  if (want) { if (at >= length) at = 0; requestAnimationFrame(tick); }
}

function drawTimeline() {
  const s = overview.series;
  chart(byId("time-chart"), "time", s.t, [{ name: "health", values: s.health }, { name: "enemies", values: s.enemies }], { spark: true, height: 40 });
  list(byId("marks"), overview.marks.slice(0, MAX_MARKS), () => node("span"), (span, mark) => { span.className = `mark-${mark.kind}`; span.style.left = `${100 * mark.t / Math.max(1e-6, length)}%`; });
  const shown = [...overview.marks].reverse().slice(0, 80);
  list(byId("recordings-list"), shown, () => node("li", "", node("a"), node("span", "quiet")), (li, mark) => {
    put(li.children[0], `${clock(mark.t)} ${mark.kind.replaceAll("_", " ")}`);
    li.children[0].href = `/?replay=${encodeURIComponent(id)}&game=${game}&t=${mark.t}`;
    put(li.children[1], mark.text);
  });
}

async function compareWith(name) {
  other = name;
  byId("picture2").hidden = byId("beside").hidden = !other;
  address();
  show();
}

function address() {
  const query = new URLSearchParams({ replay: id, game, t: at.toFixed(2), ...(other ? { with: other } : {}) });
  history.replaceState(null, "", `/?${query}`);
  return location.href;
}

export async function begin(asked, given) {
  on = given;
  id = asked.get("replay");
  game = Math.max(0, Number(asked.get("game")) || 0);
  on.setGame(game);
  document.documentElement.dataset.mode = "replay";
  byId("timeline").hidden = false;
  byId("takeover").hidden = true;
  byId("clip-tools").hidden = true;
  for (const note of document.querySelectorAll(".absent")) note.hidden = true;
  document.querySelector(".goal-line .key").textContent = "Recording";
  Object.assign(document.querySelector(".goal-line b").dataset, { path: "recording", none: id });
  put(byId("clip-note"), "What happened, newest first.");
  put(byId("stage-note"), "Reading the recording …");
  byId("play").addEventListener("click", () => setPlaying(!playing));
  byId("scrub").addEventListener("input", (event) => seek(Number(event.target.value)));
  byId("scrub").addEventListener("change", address);
  byId("speed").addEventListener("change", (event) => { speed = Number(event.target.value); });
  byId("compare").addEventListener("change", (event) => compareWith(event.target.value));
  byId("link").addEventListener("click", async () => { const url = address(); try { await navigator.clipboard.writeText(url); put(byId("link"), "Copied"); } catch { put(byId("link"), "See the address"); } });
  try { overview = await read(`/api/v1/replay/${encodeURIComponent(id)}?game=${game}`); } catch (error) { put(byId("stage-note"), error.message); return; }
  length = overview.length_s;
  byId("scrub").max = length;
  drawTimeline();
  window.addEventListener("resize", drawTimeline);
  seek(Number(asked.get("t")) || 0);
  const { recordings: found } = await read("/api/v1/recordings");
  for (const of of found) if (of.id !== id && !of.error) byId("compare").append(Object.assign(document.createElement("option"), { value: of.id, textContent: of.id }));
  if (asked.get("with")) { byId("compare").value = asked.get("with"); await compareWith(asked.get("with")); }
}
