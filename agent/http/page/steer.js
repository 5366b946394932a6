// What a person does: keys, gamepad, takeover, goal, clips, weights. Everything that writes goes through `post`.

import { byId, list, node, put } from "./parts.js";

const SEND_MS = 50, DEAD = 0.15;
const HELD = { KeyW: [0, 1], KeyS: [0, -1], KeyA: [-1, 0], KeyD: [1, 0] }, LOOK = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const PRESS = { KeyF: "fire", Enter: "fire", KeyQ: "ability", ShiftLeft: "ability", KeyE: "interact" };
const pressed = new Set();
let live = null, getGame = () => 0, mayWrite = false, on = false, click = null, timer = 0, startWas = false;

export async function post(path, body) {
  try {
    const reply = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const values = await reply.json();
    if (!reply.ok) notice(values.error || `refused: ${reply.status}`);
    return reply.ok ? values : null;
  } catch { notice("The session does not answer."); return null; }
}

export function notice(text, kept = false) {
  const box = byId("notice");
  put(box, text);
  box.hidden = !text;
  clearTimeout(notice.timer);
  if (text && !kept) notice.timer = setTimeout(() => { box.hidden = true; }, 6000);
}

export function allow(may) {
  mayWrite = may;
  for (const id of ["takeover", "pin", "skip", "pause", "rollback"]) byId(id).setAttribute("aria-disabled", String(!may));
  for (const button of document.querySelectorAll("#clip-tools button, #goal-form button")) button.setAttribute("aria-disabled", String(!may));
  byId("goal").placeholder = may ? "New goal, such as: reach level 10 with the bow" : "To steer, open the link that play shows";
}

function guarded(action) {
  return (...given) => {
    if (document.documentElement.dataset.mode === "replay") return notice("This is a recording: go to Live to steer.");
    if (!mayWrite) return notice("To steer, open the link that play shows, or run: python -m agent watch --link");
    return action(...given);
  };
}

// --- takeover -----------------------------------------------------------------------------------------------------

function stickOf(keys) {
  let x = 0, y = 0;
  for (const [code, [dx, dy]] of Object.entries(keys)) if (pressed.has(code)) { x += dx; y += dy; }
  const long = Math.hypot(x, y);
  return long > 1 ? [x / long, y / long] : [x, y];
}

const live01 = (v) => (Math.abs(v) < DEAD ? 0 : Math.max(-1, Math.min(1, v)));

const pads = () => [...(navigator.getGamepads ? navigator.getGamepads() : [])].filter(Boolean);

export function padInput(pad) {
  const [lx = 0, ly = 0, rx = 0, ry = 0] = pad.axes, down = (i) => Boolean(pad.buttons[i] && (pad.buttons[i].pressed || pad.buttons[i].value > 0.5));
  return { move: [live01(lx), -live01(ly) || 0], look: [live01(rx), -live01(ry) || 0], fire: down(7) || down(0), ability: down(6) || down(1), interact: down(2), start: down(9) };
}

function input() {
  const found = { game: getGame(), move: stickOf(HELD), look: stickOf(LOOK), fire: false, ability: false, interact: false };
  for (const [code, name] of Object.entries(PRESS)) if (pressed.has(code)) found[name] = true;
  for (const pad of pads()) {
    const by = padInput(pad);
    if (by.move[0] || by.move[1]) found.move = by.move;
    if (by.look[0] || by.look[1]) found.look = by.look;
    for (const name of ["fire", "ability", "interact"]) found[name] = found[name] || by[name];
  }
  if (click) { found.click = click; click = null; }
  return found;
}

function send() { if (on && live && live.isOpen) live.send({ takeover: input() }); }

export function takeOver(want) {
  if (want === on) return;
  on = want;
  pressed.clear();
  clearInterval(timer);
  byId("takeover").setAttribute("aria-pressed", String(on));
  put(byId("takeover"), on ? "Give back" : "Take over");
  if (on) { send(); timer = setInterval(send, SEND_MS); document.activeElement?.blur?.(); notice("You play: W A S D walk, arrows look, F Q E press. Space gives back.", true); }
  else { if (live && live.isOpen) live.send({ takeover: { game: getGame(), release: true } }); notice(""); }
}

export function lost() { takeOver(false); }

function pollStart() {
  const is = pads().some((pad) => padInput(pad).start);
  if (is && !startWas) guarded(() => takeOver(!on))();
  startWas = is;
}

// --- the rest -----------------------------------------------------------------------------------------------------

const clip = guarded(async (seconds) => {
  put(byId("clip-note"), "Saving …");
  const made = await post("/api/v1/clip", { seconds, mp4: true, after_last: byId("after-last").checked });
  put(byId("clip-note"), made ? `Saved ${made.clip}, ${made.seconds.toFixed(1)} s; its video is being made.` : "Not saved.");
  if (made) setTimeout(clips, 500);
});

export async function clips() {
  try {
    const reply = await fetch("/api/v1/clips"), values = await reply.json();
    if (!reply.ok) { put(byId("clip-note"), values.error); return; }
    if (!values.clips.length) { byId("clips").replaceChildren(node("p", "quiet", "No clip yet.")); return; }
    if (byId("clips").firstElementChild?.tagName === "P") byId("clips").replaceChildren();
    list(byId("clips"), values.clips.slice(0, 8), () => node("figure"), fillClip);
  } catch { /* the stream says that the session is gone */ }
}

function fillClip(figure, clip2) {
  const key = `${clip2.id} ${clip2.video}`;
  if (figure.dataset.key === key) return;
  figure.dataset.key = key;
  const link = node("a", "", clip2.id);
  link.href = `/?replay=${encodeURIComponent(clip2.id)}`;
  let shown = node("p", "no-video", "no video yet");
  if (clip2.video) {
    shown = document.createElement("video");
    Object.assign(shown, { src: `/api/v1/clips/${encodeURIComponent(clip2.id)}`, controls: true, muted: true, preload: "metadata" });
    shown.setAttribute("aria-label", `Clip ${clip2.id}`);
  }
  figure.replaceChildren(shown, node("figcaption", "", link, ` ${clip2.seconds ?? "?"} s`));
}

export async function recordings() {
  try {
    const reply = await fetch("/api/v1/recordings"), values = await reply.json();
    list(byId("recordings-list"), reply.ok ? values.recordings.slice(0, 20) : [], () => node("li", "", node("a"), node("span", "quiet")), (li, of) => {
      put(li.children[0], of.id);
      li.children[0].href = `/?replay=${encodeURIComponent(of.id)}`;
      put(li.children[1], of.error || `${of.game}, ${of.policy}, ${(of.bytes / 2 ** 20).toFixed(0)} MiB${of.is_live ? ", now" : ""}`);
    });
    return reply.ok ? values.recordings : [];
  } catch { return []; }
}

const rollback = guarded(async () => {
  const reply = await fetch("/api/v1/weights"), values = await reply.json();
  if (!reply.ok) return notice(values.error);
  const older = values.versions.filter((v) => v.version < values.current);
  if (!older.length) return notice(`There is nothing older than version ${values.current} of ${values.policy}.`);
  put(byId("confirm-text"), `Version ${values.current} of ${values.policy} is in force. An older one becomes the next version.`);
  list(byId("version"), older, () => document.createElement("option"), (option, v) => { option.value = v.version; put(option, `${v.version}, ${v.created_by}`); });
  const dialog = byId("confirm");
  dialog.returnValue = "no";
  dialog.showModal();
});

const subgoal = guarded((what) => post("/api/v1/subgoal", { do: what, game: getGame() }));
const pause = guarded(() => post("/api/v1/learning", { paused: byId("pause").getAttribute("aria-pressed") !== "true" }));
const setGoal = guarded(async () => {
  const field = byId("goal"), goal = field.value.trim();
  if (!goal) return;
  const set = await post("/api/v1/goal", { goal });
  if (set) { field.value = ""; field.blur(); notice(set.understood ? `Goal set: ${set.text}` : `Goal set, but no word of it is known to the builtin planner: ${set.text}`); }
});
const pin = () => subgoal(byId("pin").getAttribute("aria-pressed") === "true" ? "unpin" : "pin");

const KEYS = {
  " ": guarded(() => takeOver(!on)), s: () => clip(30), g: () => byId("goal").focus(), r: rollback, p: pin, n: () => subgoal("skip"), "?": () => byId("help").showModal(),
};

function onKey(event) {
  const field = event.target.closest("input, select, textarea, dialog");
  if (event.key === "Escape") { takeOver(false); if (field && field.tagName === "INPUT") field.blur(); return; }
  if (field || event.ctrlKey || event.altKey || event.metaKey) return;
  if (on && (event.code in HELD || event.code in LOOK || event.code in PRESS)) { pressed.add(event.code); send(); event.preventDefault(); return; }
  if (event.repeat) return;
  if (/^[0-9]$/.test(event.key)) { const panel = byId(`p${event.key === "0" ? 10 : event.key}`); panel.scrollIntoView({ block: "nearest" }); panel.focus(); return; }
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action || (event.key === " " && event.target.closest("button, a, video, [role='group']"))) return;
  event.preventDefault();
  action();
}

function onClick(event) {
  if (!on) return;
  const box = event.currentTarget.getBoundingClientRect();
  click = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((v) => Math.min(1, Math.max(0, v)));
  send();
}

export function begin(given) {
  ({ live, getGame } = given);
  document.addEventListener("keydown", onKey);
  document.addEventListener("keyup", (event) => { if (pressed.delete(event.code)) send(); });
  window.addEventListener("blur", () => { pressed.clear(); send(); });
  document.addEventListener("visibilitychange", () => { if (document.hidden) takeOver(false); });
  byId("picture").addEventListener("click", onClick);
  byId("takeover").addEventListener("click", guarded(() => takeOver(!on)));
  byId("help-open").addEventListener("click", KEYS["?"]);
  byId("pin").addEventListener("click", pin);
  byId("skip").addEventListener("click", () => subgoal("skip"));
  byId("pause").addEventListener("click", pause);
  byId("rollback").addEventListener("click", rollback);
  byId("goal-form").addEventListener("submit", (event) => { event.preventDefault(); setGoal(); });
  for (const button of document.querySelectorAll("[data-clip]")) button.addEventListener("click", () => clip(Number(button.dataset.clip)));
  byId("confirm").addEventListener("close", async () => { if (byId("confirm").returnValue === "yes") { const done = await post("/api/v1/weights/rollback", { version: Number(byId("version").value) }); if (done) notice(`Version ${done.version} has the weights of version ${done.restores}.`); } });
  setInterval(pollStart, SEND_MS);
}
