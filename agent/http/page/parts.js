// Draws the groups of the page from a state. Each value that is shown carries its path and its raw value.

export const byId = (id) => document.getElementById(id);
export const OWNERS = { motor: "--motor", planner: "--planner", human: "--human", safety: "--safety", active_inference: "--active-inference", navigator: "--navigator", scientist: "--scientist", nobody: "--nobody" };
const STAGES = [["decode", "decode"], ["queue", "queue"], ["policy", "policy"], ["return", "return"], ["send", "send"]];
const minus = (text) => text.replace("-", "\u2212");

export function at(values, path) {
  let found = values;
  for (const part of path.split(".")) {
    if (found === null || found === undefined) return undefined;
    found = found[part];
  }
  return found;
}

export function clock(seconds) {
  if (typeof seconds !== "number") return "–";
  const s = Math.max(0, Math.floor(seconds));
  const tail = `${String(Math.floor(s / 60) % 60).padStart(s >= 3600 ? 2 : 1, "0")}:${String(s % 60).padStart(2, "0")}`;
  return s >= 3600 ? `${Math.floor(s / 3600)}:${tail}` : tail;
}

export function number(value, digits) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  if (digits !== undefined) return minus(value.toFixed(digits));
  return minus(Number.isInteger(value) ? String(value) : Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));
}

function shownAs(raw, format) {
  if (format === "clock") return clock(raw);
  if (format !== undefined) return number(raw, Number(format));
  if (typeof raw === "number") return number(raw);
  return String(raw);
}

export function put(element, text) { if (element.textContent !== text) element.textContent = text; }

// One value: what is written, and beside it the path and the raw value that it was written from.
export function show(element, path, raw, text) {
  const value = JSON.stringify(raw === undefined ? null : raw);
  if (element.dataset.value !== value || element.dataset.at !== path) { element.dataset.at = path; element.dataset.value = value; }
  put(element, text);
}

const bound = [...document.querySelectorAll("[data-path]")];

export function bind(state, game) {
  for (const element of bound) {
    const { path, format, none, empty } = element.dataset, full = path.replaceAll("{g}", game);
    const raw = at(state, full), missing = raw === null || raw === undefined;
    show(element, full, raw, missing ? none || "" : raw === "" ? empty ?? none ?? "" : shownAs(raw, format));
  }
}

// Children of a container, one for each item; those that are there are used again.
export function list(container, items, make, fill) {
  while (container.children.length > items.length) container.lastElementChild.remove();
  items.forEach((item, i) => {
    let child = container.children[i];
    if (!child) { child = make(); container.append(child); }
    fill(child, item, i);
  });
}

export function node(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function barLine() { return node("div", "line", node("span", "name"), node("span", "track2", node("span", "fill"), node("span", "whisker")), node("b", "value")); }

// Bars with a name and a value: items have name, value, share 0 … 1, text, path, whisker [from, to] and taken.
function bars(container, items) {
  list(container, items, barLine, (line, item) => {
    const [name, track, value] = line.children;
    put(name, item.name);
    name.title = item.name;
    line.classList.toggle("is-taken", Boolean(item.taken));
    track.firstElementChild.style.width = `${100 * Math.min(1, Math.max(0, item.share))}%`;
    const whisker = track.lastElementChild;
    whisker.hidden = !item.whisker;
    if (item.whisker) { whisker.style.left = `${100 * item.whisker[0]}%`; whisker.style.width = `${100 * (item.whisker[1] - item.whisker[0])}%`; }
    show(value, item.path, item.value, item.text);
  });
}

function facts(container, rows) {
  list(container, rows, () => node("div", "", node("dt"), node("dd")), (row, [name, text, path, raw]) => {
    put(row.children[0], name);
    if (path) show(row.children[1], path, raw, text); else put(row.children[1], text);
  });
}

export function header(state, game) {
  const of = at(state, `status.games.${game}`) || {}, decision = at(state, `decisions.${game}`);
  const isUp = at(of, "link.state") === "up", owner = isUp ? (of.owner || "nobody") : "nobody";
  document.documentElement.dataset.owner = owner in OWNERS ? owner : "nobody";
  show(byId("owner-name"), `status.games.${game}.owner`, of.owner, isUp ? owner.replaceAll("_", " ") : "no game");
  show(byId("ticks"), `status.games.${game}.action_hz`, of.action_hz, of.action_hz === undefined ? "–" : `${number(of.action_hz, 0)}/s`);
  const missed = Object.values(at(state, "status.deadline_missed") || {}).reduce((a, b) => a + b, 0);
  put(byId("late"), at(state, "status.real_time") === false ? "lock-step" : String(missed));
  const recording = at(state, "status.recording"), rec = byId("recording");
  rec.classList.toggle("is-on", Boolean(recording && !recording.error));
  put(rec, recording ? (recording.error ? "failing" : recording.lost ? `${recording.lost} lost` : "on") : "off");
  rec.classList.toggle("is-bad", Boolean(recording && (recording.error || recording.lost)));
  const hp = at(state, `scenes.${game}.health`), max = at(state, `scenes.${game}.max_health`), bar = byId("hp-bar");
  bar.style.width = max > 0 ? `${Math.min(100, Math.max(0, 100 * hp / max))}%` : "0%";
  bar.classList.toggle("is-low", max > 0 && hp / max < 0.3);
  for (const press of document.querySelectorAll("[data-press]")) press.classList.toggle("is-on", Boolean(at(decision, `action.${press.dataset.press}`)));
  put(byId("decision-why"), why(decision));
  byId("decision-why").title = why(decision);
  const menu = at(state, `scenes.${game}.menu`), chip = byId("menu-chip");
  chip.hidden = !menu;
  put(chip, menu ? menu.replace(/([a-z])([A-Z])/g, "$1 $2") : "");
}

function why(decision) {
  if (!decision) return "";
  if (decision.refused) return `Refused: ${decision.refused}`;
  const instead = decision.instead_of ? `${decision.owner.replaceAll("_", " ")} acts in place of ${decision.instead_of.owner.replaceAll("_", " ")}` : "";
  return [instead, decision.reason].filter(Boolean).join(": ");
}

export function thinks(state, game) {
  const planner = at(state, "status.planner"), of = at(planner, `games.${game}`);
  byId("thinks-off").hidden = Boolean(planner) || document.documentElement.dataset.mode === "replay";
  byId("thinks-on").hidden = !planner;
  put(byId("thinks-off"), "Nothing plans here: METABONK_USE_SIMA2=0, or a Gymnasium environment.");
  if (!planner) return;
  byId("subgoal-bar").style.width = `${100 * (at(of, "share") || 0)}%`;
  byId("pinned").hidden = !at(of, "pinned");
  byId("pin").setAttribute("aria-pressed", String(Boolean(at(of, "pinned"))));
  const steps = (at(of, "plan.steps") || []).map((text, i) => ({ text, i })), card = at(of, "plan.card");
  if (card) steps.push({ text: card, card: true });
  list(byId("steps"), steps, () => node("li"), (li, step) => {
    li.className = step.card ? "card" : step.text === at(of, "subgoal") ? "is-now" : "";
    show(li, `status.planner.games.${game}.plan.${step.card ? "card" : `steps.${step.i}`}`, step.text, step.text);
  });
  put(byId("planner-call"), plannerCall(planner.llm));
  const history = [...(at(state, `plan_history.${game}`) || [])].reverse().slice(0, 16);
  list(byId("history"), history, () => node("li", "", node("b"), node("span")), (li, entry) => {
    put(li.children[0], `${entry.kind.replaceAll("_", " ")} `);
    put(li.children[1], entry.text);
  });
}

function plannerCall(llm) {
  if (!llm) return "";
  if (!llm.model) return `Language model: none, ${llm.why || "the builtin planner plans"}`;
  const last = llm.last;
  if (!last) return `Language model: ${llm.backend} ${llm.model}, not asked yet${llm.ready ? "" : `, ${llm.why}`}`;
  const how = last.outcome === "cached" ? "from the cache" : `${number(1000 * last.seconds, 0)} ms, ${last.prompt_tokens} + ${last.reply_tokens} tokens`;
  return `Language model: ${llm.backend} ${llm.model}, ${last.outcome}, ${how}`;
}

function chance(state, game) {
  const science = at(state, "status.scientist"), path = `status.scientist.chances.${game}`, found = at(state, path) || {};
  const known = Object.entries({ next_60_s: "another minute", to_the_boss: "to the boss" }).filter(([name]) => typeof found[name] === "number");
  if (!known.length) { put(byId("chance"), science ? `Chance of survival: learned from runs; ${at(science, "survival.runs") ?? 0} so far.` : "Chance of survival: the scientist is off."); return; }
  const [first] = known[0];
  show(byId("chance"), `${path}.${first}`, found[first], `Chance to live ${known.map(([name, words]) => `${words} ${number(100 * found[name], 0)} %`).join(", ")}`);
}

export function weighs(state, game) {
  chance(state, game);
  const weighed = at(state, `decisions.${game}.weighed`), found = at(weighed, "candidates") || [];
  const low = Math.min(...found.map((c) => c.bound)), high = Math.max(...found.map((c) => c.bound + (1 + weighed.beta) * c.spread)), span = Math.max(1e-6, high - low);
  const place = (v) => 0.08 + 0.9 * Math.min(1, Math.max(0, (v - low) / span));
  bars(byId("candidates"), found.map((c, i) => ({
    name: i === found.length - 1 && found.length > 8 ? "as before" : `chunk ${i + 1}`, value: c.bound, share: place(c.bound),
    whisker: [place(c.bound), place(c.bound + (1 + weighed.beta) * c.spread)], taken: i === weighed.taken, text: `${number(c.bound, 2)} ± ${number(c.spread, 2)}`,
    path: `decisions.${game}.weighed.candidates.${i}.bound`,
  })));
  if (!found.length) byId("candidates").replaceChildren(node("p", "quiet", weighed ? "This policy weighs no candidates: it computes one action. The motor best-of-8 weighs nine." : "This policy does not say what it weighs."));
  const owners = Object.entries(at(state, `owner_s.${game}`) || {}).filter(([, s]) => s > 0).sort((a, b) => b[1] - a[1]);
  const total = owners.reduce((sum, [, s]) => sum + s, 0) || 1;
  list(byId("owners"), owners, () => node("span"), (bar, [owner, s]) => {
    bar.style.flex = `${s / total} 1 0`;
    bar.style.background = `var(${OWNERS[owner] || "--nobody"})`;
  });
  list(byId("owner-names"), owners, () => node("span", "", node("i"), node("span")), (name, [owner, s]) => {
    name.children[0].style.background = `var(${OWNERS[owner] || "--nobody"})`;
    show(name.children[1], `owner_s.${game}.${owner}`, s, `${owner.replaceAll("_", " ")} ${number(100 * s / total, 0)} %`);
  });
}

function learned(state) {
  const science = at(state, "status.scientist"), path = "status.scientist.effects.score_s", effects = (at(state, path) || []).slice(0, 3);
  list(byId("learned"), effects, () => node("li", "quiet"), (li, e, i) => {
    const more = e.is_announced ? "Eureka" : e.menus_needed === null ? "not within reach" : `needs about ${e.menus_needed} more menus`;
    show(li, `${path}.${i}.effect`, e.effect, `${e.name}: ${number(e.effect, 1)} s of score (${number(e.low, 1)} to ${number(e.high, 1)}), ${more}`);
  });
  const eurekas = at(science, "eurekas") || [], counts = `${at(science, "menus") ?? 0} menus of ${at(science, "runs") ?? 0} runs`;
  put(byId("science"), !science ? "What cards do: the scientist is off." : eurekas.length ? `Eureka: ${eurekas[eurekas.length - 1]}` : `What cards do is learned from ${counts}; nothing is certain yet.`);
}

export function cards(state, game) {
  learned(state);
  const offer = at(state, `decisions.${game}.weighed.offer`), choices = at(state, "status.choices") || {}, last = choices.last || {};
  const captions = offer ? offer.captions : at(state, `scenes.${game}.options`) || [];
  if (!captions.length) byId("offer").replaceChildren(node("p", "quiet", "No menu of cards yet in this session."));
  else {
    if (byId("offer").firstElementChild?.tagName === "P") byId("offer").replaceChildren();
    bars(byId("offer"), captions.map((name, i) => ({
      name, value: offer ? offer.chances[i] : null, share: offer ? offer.chances[i] : 0, taken: offer && offer.taken === i,
      text: offer ? `${number(100 * offer.chances[i], 0)} %` : "–", path: `decisions.${game}.weighed.offer.chances.${i}`,
    })));
  }
  const by = Object.entries(choices.cards_by || {}).map(([who, n]) => `${who.replaceAll("_", " ")} ${n}`).join(", ");
  put(byId("chooser"), choices.chooser ? `Chosen by ${choices.chooser.replaceAll("_", " ")}${choices.why ? `: ${choices.why}` : ""}${by ? `. Taken so far: ${by}` : ""}` : "");
  const energies = (last.G || []).map((g, i) => ({ g, i })).filter(({ g }) => g !== null && g !== undefined);
  list(byId("effects"), energies, () => node("p", "quiet"), (p, { g, i }) => {
    show(p, `status.choices.last.G.${i}`, g, `${captions[i] || `card ${i + 1}`}: expected free energy ${number(g, 2)} (utility ${number(last.utility[i], 2)}, information ${number(last.information_gain[i], 2)})`);
  });
}

// The screens that the navigator knows, the one where it is marked, with the ways that lead on from each.
function screens(state, game) {
  const navigator = at(state, "status.navigator"), path = `status.navigator.games.${game}`, of = at(state, path), shown = at(of, "graph.shown") || [];
  put(byId("navigator"), !navigator ? "No navigator goes through menus here: METABONK_USE_VLM_MENU=0, or a game without menus." : at(navigator, "off") ? `Navigator: ${navigator.off}` : `Navigator: ${of.phase}${of.why ? `: ${of.why}` : ""}${of.gave_up ? `; gave up: ${of.gave_up}` : ""}`);
  list(byId("screens"), shown, () => node("li", "", node("b"), node("span", "quiet"), node("ul", "plain")), (li, screen, i) => {
    li.classList.toggle("is-now", Boolean(screen.is_here));
    show(li.children[0], `${path}.graph.shown.${i}.name`, screen.name, screen.name);
    show(li.children[1], `${path}.graph.shown.${i}.seen`, screen.seen, ` ${screen.seen}×`);
    list(li.children[2], screen.ways, () => node("li", "quiet"), (way, each, k) => show(way, `${path}.graph.shown.${i}.ways.${k}.by`, each.by, `${each.by} → ${each.to}`));
  });
}

export function menus(state, game) {
  screens(state, game);
  list(byId("options"), at(state, `scenes.${game}.options`) || [], () => node("li"), (li, text, i) => show(li, `scenes.${game}.options.${i}`, text, text));
  const clicked = at(state, `decisions.${game}.clicked`);
  document.querySelector(".crops").classList.toggle("is-clicked", Boolean(clicked));
  if (clicked) put(byId("click-note"), `at ${clicked.at_px[0]}, ${clicked.at_px[1]} px, ${clock((state.time_ns - clicked.time_ns) / 1e9)} ago`);
}

export function latency(state) {
  const of = at(state, "status.latency") || {}, total = of.frame_to_action, top = Math.max(1e-6, ...STAGES.map(([k]) => at(of, `${k}.p99_ms`) || 0), at(total, "p99_ms") || 0);
  let from = 0;
  const rows = STAGES.filter(([k]) => of[k]).map(([k, name]) => { const row = { k, name, from, ...of[k] }; from += of[k].p50_ms; return row; });
  if (total) rows.push({ k: "frame_to_action", name: "in all", from: 0, total: true, ...total });
  if (!rows.length) byId("waterfall").replaceChildren(node("p", "quiet", "No answer yet."));
  else if (byId("waterfall").firstElementChild?.tagName === "P") byId("waterfall").replaceChildren();
  if (rows.length) list(byId("waterfall"), rows, () => node("div", "line", node("span"), node("span", "lane", node("span", "p99"), node("span", "p50")), node("span", "figures", node("b"), node("span"))), (line, row) => {
    const [name, lane, figures] = line.children, [p99, p50] = lane.children;
    line.classList.toggle("total", Boolean(row.total));
    put(name, row.name);
    p50.style.left = p99.style.left = `${Math.min(98, 100 * row.from / top)}%`;
    p50.style.width = `${Math.min(100, 100 * row.p50_ms / top)}%`;
    p99.style.width = `${Math.min(100, 100 * row.p99_ms / top)}%`;
    show(figures.children[0], `status.latency.${row.k}.p50_ms`, row.p50_ms, number(row.p50_ms, 2));
    show(figures.children[1], `status.latency.${row.k}.p99_ms`, row.p99_ms, ` / ${number(row.p99_ms, 2)} ms`);
  });
  list(byId("causes"), Object.entries(at(state, "status.deadline_missed") || {}), () => node("span", "", node("b"), node("span")), (span, [cause, n]) => {
    span.classList.toggle("is-some", n > 0);
    show(span.children[0], `status.deadline_missed.${cause}`, n, String(n));
    put(span.children[1], ` ${cause}`);
  });
  list(byId("misses"), (state.misses || []).slice(0, 6), () => node("li", "", node("b"), node("span")), (li, miss, i) => {
    show(li.children[0], `misses.${i}.cause`, miss.cause, miss.cause);
    put(li.children[1], `, ${number(miss.late_ms, 1)} ms late, ${clock(state.time_ns / 1e9 - miss.at_s)} ago`);
  });
}

export function learning(state) {
  const status = state.status || {}, learned = status.learning, weights = status.weights, challenge = status.challenge, c = at(challenge, "challenger");
  const off = byId("learning-off");
  off.hidden = Boolean(learned);
  byId("loss-chart").hidden = !learned;
  put(off, "Nothing learns from play here: --no-learn, or a policy that cannot.");
  byId("pause").hidden = !learned;
  byId("rollback").hidden = !weights;
  byId("pause").setAttribute("aria-pressed", String(Boolean(at(learned, "paused"))));
  put(byId("pause"), at(learned, "paused") ? "Go on learning" : "Pause learning");
  const rows = learned ? [] : [["Policy", String(status.policy ?? "–"), "status.policy", status.policy], ["Its version", String(status.policy_version ?? "–"), "status.policy_version", status.policy_version]];
  if (weights) rows.push(["Weights in force", `version ${weights.version}${weights.on_trial ? ", on trial" : ""}`, "status.weights.version", weights.version], ["Exchanged, taken back", `${weights.swaps}, ${weights.rollbacks.length}`]);
  if (learned) rows.push(["Rollouts learned from", String(learned.rollouts), "status.learning.rollouts", learned.rollouts], ["Dropped: stale, overflow", `${learned.stale_dropped}, ${learned.overflowed}`]);
  if (c) rows.push(["Champion, challenger", `version ${challenge.champion}, ${c.version}`], ["Their runs", `${c.runs.champion}, ${c.runs.challenger}`], ["Runs needed, about", number(c.runs_needed)]);
  const last = (at(challenge, "decisions") || []).slice(-1)[0];
  if (last) rows.push(["Last challenger", `${last.version} ${last.decision}: ${last.why}`]);
  facts(byId("learning-facts"), rows);
}

export function memory(state) {
  const status = state.status || {}, rows = [], plan = status.memory;
  if (typeof status.rss_mb === "number") rows.push({ name: "this process", value: status.rss_mb, path: "status.rss_mb" });
  const child = at(status, "learner.child.rss_mb") ?? at(status, "learner.rss_mb");
  if (typeof child === "number") rows.push({ name: "learner", value: child, path: at(status, "learner.child.rss_mb") !== undefined ? "status.learner.child.rss_mb" : "status.learner.rss_mb" });
  const top = Math.max(512, ...rows.map((r) => r.value)), shown = rows.map((r) => ({ ...r, share: r.value / top, text: `${number(r.value, 0)} MiB` }));
  if (typeof status.cores_used === "number") shown.push({ name: "cores in use", value: status.cores_used, share: status.cores_used / Math.max(1, status.cores), text: `${number(status.cores_used, 2)} of ${status.cores}`, path: "status.cores_used" });
  for (const [role, of] of Object.entries(at(plan, "roles") || {})) if (of.uses_mib > 0) shown.push({ name: `${role}${of.gave_up ? ", gave up" : ""}`, value: of.uses_mib, share: of.uses_mib / Math.max(1, of.may_mib || plan.limit_mib), text: `${number(of.uses_mib, 0)} of ${number(of.may_mib, 0)} MiB`, path: `status.memory.roles.${role}.uses_mib` });
  bars(byId("memory"), shown);
  byId("memory-absent").hidden = Boolean(plan);
  const facts2 = [["Policy", status.policy_path?.path ? `${status.policy}, by ${status.policy_path.path}` : `${status.policy ?? "–"}`], ["Its steps run on", status.policy_step?.where === "loop" ? "the event loop" : "a thread of their own"], ["Recorded", status.recording ? `${status.recording.written} records, ${status.recording.lost} lost` : "nothing", "status.recording.written", status.recording?.written], ["Watching this page", `${at(state, "stream.watchers") ?? "–"}`, "stream.watchers", at(state, "stream.watchers")]];
  for (const [reason, n] of Object.entries(at(state, "stream.dropped") || {})) facts2.push([`Dropped: ${reason}`, String(n)]);
  if (plan) {
    facts2.push(["Limit", `${number(plan.limit_mib, 0)} MiB${plan.limit_is_set ? ", as set" : " of this machine"}`, "status.memory.limit_mib", plan.limit_mib], ["Gives up, in this order", (plan.order || []).join(", ")]);
    for (const gone of plan.gave_up || []) facts2.push(["Gave up", flat(gone, "").map(([, value]) => value).join(", ")]);
  }
  for (const [part, why2] of Object.entries(at(status, "parts.parked") || {})) facts2.push([`Parked: ${part}`, String(why2)]);
  facts(byId("memory-facts"), facts2);
}

// Every plain value below a path.
export function flat(values, path, found = []) {
  if (values === null || values === undefined) return found;
  if (typeof values !== "object") { found.push([path, values]); return found; }
  for (const [key, value] of Object.entries(values)) flat(value, path ? `${path}.${key}` : key, found);
  return found;
}
