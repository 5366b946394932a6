// Charts of numbers over time, by uPlot, and the history of every number since the page was opened.

import { byId, flat, list, node, number } from "./parts.js";

const EVERY_MS = 250, KEEP = 2400, MAX_PLOTTED = 6;
const STROKES = ["--motor", "--human", "--planner", "--active-inference", "--safety", "--ink"], DASHES = [[], [6, 3], [2, 3], [10, 3, 2, 3], [1, 2], []];
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const history = new Map(), times = [];
let last = 0, plotted = [], charts = new Map();

function axis(size, extra = {}) {
  return { stroke: () => colour("--soft"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false }, font: `12px ${colour("--font")}`, size, ...extra };
}

function span(seconds) { const s = Math.abs(seconds) < 10 ? Math.round(10 * seconds) / 10 : Math.round(seconds); return Math.abs(s) < 120 ? `${s} s` : `${(s / 60).toFixed(0)} min`; }

// Draws series under one key; makes the chart anew when the series change.
export function draw(host, key, x, series, { height, spark = false, legend = !spark } = {}) {
  const width = Math.floor(host.clientWidth), tall = height || Math.max(90, Math.floor(host.clientHeight) - (legend ? 26 : 0));
  if (width < 20 || !window.uPlot) return;
  const names = series.map((s) => s.name).join("\n"), had = charts.get(key), data = [x, ...series.map((s) => s.values)];
  if (had && had.names === names) {
    if (had.width !== width || Math.abs(had.tall - tall) > 8) { had.chart.setSize({ width, height: tall }); had.width = width; had.tall = tall; }
    had.chart.setData(data);
    return;
  }
  if (had) had.chart.destroy();
  host.replaceChildren();
  const options = {
    width, height: tall, legend: { show: legend, live: false }, cursor: { show: !spark, drag: { x: false, y: false } }, padding: spark ? [3, 0, 3, 0] : [8, 8, 0, 0],
    scales: { x: { time: false } },
    axes: spark ? [{ show: false }, { show: false }] : [axis(24, { values: (u, ticks) => ticks.map(span) }), axis(52, { values: (u, ticks) => ticks.map((v) => number(v)) })],
    series: [{}, ...series.map((s, i) => ({ label: s.name, stroke: () => colour(STROKES[i % STROKES.length]), dash: DASHES[i % DASHES.length], width: 2, points: { show: false } }))],
  };
  charts.set(key, { chart: new window.uPlot(options, data, host), names, width, tall });
}

export function recolour() { for (const { chart } of charts.values()) chart.redraw(false); }

// Remembers the numbers of a state, four times a second.
export function remember(state) {
  const nowMs = performance.now();
  if (nowMs - last < EVERY_MS) return false;
  last = nowMs;
  times.push(state.time_ns / 1e9);
  const seen = new Set();
  for (const [path, value] of flat({ status: state.status, decisions: state.decisions, losses: state.losses, owner_s: state.owner_s, stream: state.stream }, "")) {
    if (typeof value !== "number" || /_ns$|\.sequence$/.test(path)) continue;
    seen.add(path);
    let kept = history.get(path);
    if (!kept) { kept = new Array(times.length - 1).fill(null); history.set(path, kept); }
    kept.push(value);
  }
  for (const [path, kept] of history) if (!seen.has(path)) kept.push(null);
  if (times.length > KEEP) { times.shift(); for (const kept of history.values()) kept.shift(); }
  return true;
}

const since = () => times.map((t) => t - times[times.length - 1]);
const series = (paths, named) => paths.filter((p) => history.has(p)).map((p) => ({ name: named(p), values: history.get(p) }));

export function drawAll(game) {
  const x = since(), value = series([`decisions.${game}.weighed.value`], () => "worth"), recent = Math.max(0, x.length - 480);
  draw(byId("value-chart"), "value", x.slice(recent), value.map((s) => ({ ...s, values: s.values.slice(recent) })), { spark: true, height: 58 });
  const losses = [...history.keys()].filter((p) => p.startsWith("losses.")).slice(0, 4), host = byId("loss-chart");
  if (losses.length) draw(host, "loss", x, series(losses, (p) => p.split(".").slice(2).join(".")));
  else if (!host.firstElementChild && byId("learning-off").hidden) host.append(node("p", "hint", "No loss yet: the first comes with the first rollout that is learned from."));
  plot(x);
}

function plot(x) {
  const host = byId("scalar-chart");
  if (!plotted.length) { if (!host.querySelector(".hint")) { charts.get("scalar")?.chart.destroy(); charts.delete("scalar"); host.replaceChildren(node("p", "hint", "Choose numbers, or drag them here.")); } return; }
  draw(host, "scalar", x, series(plotted, (p) => p.replace(/^status\./, "")));
}

function toggle(path) {
  plotted = plotted.includes(path) ? plotted.filter((p) => p !== path) : [...plotted, path].slice(-MAX_PLOTTED);
  scalars();
  plot(since());
}

// The list of all numbers that match the search; those that are plotted come first.
export function scalars() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [...history.keys()].filter((p) => words.every((w) => p.toLowerCase().includes(w))).sort((a, b) => plotted.includes(b) - plotted.includes(a) || a.localeCompare(b)).slice(0, 60);
  list(byId("scalar-list"), found, makeScalar, (li, path) => {
    const button = li.firstElementChild, value = history.get(path).at(-1);
    button.dataset.scalar = path;
    button.setAttribute("aria-pressed", String(plotted.includes(path)));
    button.title = path;
    button.children[0].textContent = path.replace(/^status\./, "");
    button.children[1].textContent = value === null ? "–" : number(value);
  });
}

function makeScalar() {
  const button = node("button", "", node("span", "label"), node("span"));
  button.type = "button";
  button.draggable = true;
  button.addEventListener("click", () => toggle(button.dataset.scalar));
  button.addEventListener("dragstart", (event) => event.dataTransfer.setData("text/plain", button.dataset.scalar));
  return node("li", "", button);
}

export function begin() {
  byId("search").addEventListener("input", scalars);
  const host = byId("scalar-chart");
  host.addEventListener("dragover", (event) => { event.preventDefault(); host.classList.add("is-over"); });
  host.addEventListener("dragleave", () => host.classList.remove("is-over"));
  host.addEventListener("drop", (event) => {
    event.preventDefault();
    host.classList.remove("is-over");
    const path = event.dataTransfer.getData("text/plain");
    if (history.has(path) && !plotted.includes(path)) toggle(path);
  });
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", recolour);
  plotted = ["status.games.0.action_hz", "status.latency.frame_to_action.p99_ms"];
}
