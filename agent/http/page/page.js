// The page: it takes what the stream brings, or a recording, and has every part drawn from it.

import * as charts from "./charts.js";
import * as parts from "./parts.js";
import * as replay from "./replay.js";
import { fit, radar } from "./scene.js";
import * as steer from "./steer.js";
import { Live } from "./wire.js";

const { byId, put } = parts;
const LISTS_MS = 5000, OLD_MS = 1500, CLICK_AFTER_MS = 150;
let state = null, game = 0, pictureNs = null, picturedMs = 0, wanted = null, clickedNs = null, before = null, newest = null, live = null, painted = false;

const asked = new URLSearchParams(location.search);

function paint() {
  if (wanted === null) return;
  const now = wanted;
  wanted = null;
  parts.bind(now, game);
  parts.header(now, game);
  parts.thinks(now, game);
  parts.weighs(now, game);
  parts.cards(now, game);
  parts.menus(now, game);
  parts.latency(now);
  parts.learning(now);
  parts.memory(now);
  radar(byId("radar"), parts.at(now, `scenes.${game}`), parts.at(now, `decisions.${game}`));
  note(now);
  if (live && charts.remember(now)) { charts.drawAll(game); charts.scalars(); }
  document.documentElement.dataset.number = now.number;
  if (!painted) { painted = true; performance.mark("useful"); }
}

// What the stage says while it shows no picture, or an old one.
function note(now) {
  const of = parts.at(now, `status.games.${game}`) || {}, box = byId("stage-note"), isUp = parts.at(of, "link.state") === "up";
  let text = "";
  if (!isUp) text = of.last_error ? `No game: ${of.last_error}` : "Waiting for the game.";
  else if (pictureNs === null) text = parts.at(of, "pictures.source") === "none" ? "This game takes no pictures." : "Waiting for the first picture.";
  put(box, text);
  box.hidden = !text;
}

export function take(values) {
  state = values;
  if (wanted === null) requestAnimationFrame(paint);
  wanted = values;
  crops(values);
}

// Pictures before and after the last click, cut out around it.
function crops(values) {
  const clicked = parts.at(values, `decisions.${game}.clicked`), picture = byId("picture");
  if (!clicked || clicked.time_ns === clickedNs || pictureNs === null) return;
  clickedNs = clicked.time_ns;
  const cut = (from, to) => {
    const w = Math.max(48, from.width / 4), h = w * 9 / 16, x = Math.min(from.width - w, Math.max(0, clicked.at_px[0] - w / 2)), y = Math.min(from.height - h, Math.max(0, from.height - clicked.at_px[1] - h / 2));
    byId(to).getContext("2d").drawImage(from, x, y, w, h, 0, 0, 96, 54);
  };
  cut(before || newest || picture, "crop-before");
  setTimeout(() => cut(picture, "crop-after"), CLICK_AFTER_MS);
}

function paintBitmap(bitmap, canvas) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) { canvas.width = bitmap.width; canvas.height = bitmap.height; canvas.style.aspectRatio = `${bitmap.width} / ${bitmap.height}`; }
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
}

export async function draw(blob, canvas = byId("picture")) {
  const bitmap = await createImageBitmap(blob);
  paintBitmap(bitmap, canvas);
  bitmap.close();
}

// The newest picture and the one before it are kept: a click is shown with both.
async function picture(blob, timeNs) {
  const bitmap = await createImageBitmap(blob);
  paintBitmap(bitmap, byId("picture"));
  before?.close();
  before = newest;
  newest = bitmap;
  pictureNs = timeNs;
  picturedMs = performance.now();
  if (!byId("stage-note").hidden && state) note(state);
}

function age() {
  const shown = pictureNs === null ? null : live.ageMs(pictureNs), box = byId("age");
  put(box, shown === null ? "–" : shown < 10000 ? shown.toFixed(0) : ">10 s");
  box.parentElement.classList.toggle("is-bad", shown !== null && performance.now() - picturedMs > OLD_MS);
  window.metabonk.ageMs = shown;
}

function hello(values) {
  const select = byId("game");
  select.hidden = values.games.length < 2;
  parts.list(select, values.games, () => document.createElement("option"), (option, name, i) => { option.value = i; put(option, name); });
  steer.allow(values.may_write);
  steer.notice("");
}

function lost(reason) {
  steer.lost();
  document.documentElement.dataset.owner = "nobody";
  put(byId("owner-name"), state ? "ended" : "no answer");
  const box = byId("stage-note");
  box.hidden = false;
  put(box, !state ? "No session answers here. Start one: python -m agent play" : reason ? `Not connected: ${reason}.` : "The session has ended. What is shown is its last state.");
  byId("recording").classList.remove("is-on");
  put(byId("recording"), "–");
}

function begin() {
  parts.list(byId("game"), [], () => document.createElement("option"), () => {});
  fit(byId("radar"));
  charts.begin();
  window.metabonk = { state: () => state, game: () => game, steer, replay, ageMs: null };
  byId("game").addEventListener("change", (event) => { game = Number(event.target.value); pictureNs = null; live?.watch(game); if (state) take(state); });
  if (asked.get("replay")) { replay.begin(asked, { take, draw, setGame: (g) => { game = g; } }); steer.begin({ live: null, getGame: () => game }); return; }
  live = new Live({ picture, state: take, hello, lost }, { fps: Number(asked.get("fps")) || 10 });
  steer.begin({ live, getGame: () => game });
  setInterval(age, 200);
  const lists = () => { if (!document.hidden) { steer.clips(); steer.recordings(); } };
  setTimeout(lists, 1200);
  setInterval(lists, LISTS_MS);
}

begin();
