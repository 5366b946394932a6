// What is around the player, from above and along the camera, with the stick that was chosen and those that were not.

const SHAPES = { xp: "dot", gold: "dot", health: "plus", chest: "square", shrine: "triangle", portal: "ring", other: "dot" };

function colours() {
  const style = getComputedStyle(document.documentElement), read = (name) => style.getPropertyValue(name).trim();
  return { ink: read("--ink"), soft: read("--soft"), line: read("--line"), owner: read("--owner"), bad: read("--bad"), good: read("--good"), warn: read("--warn"), human: read("--human"), font: read("--font"), ground: read("--ground") };
}

export function fit(canvas) {
  const box = canvas.getBoundingClientRect(), ratio = Math.min(2, window.devicePixelRatio || 1);
  const width = Math.max(1, Math.round(box.width * ratio)), height = Math.max(1, Math.round(box.height * ratio));
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width: width / ratio, height: height / ratio };
}

function arrow(c, x, y, dx, dy, width) {
  const length = Math.hypot(dx, dy);
  if (length < 2) return;
  const ux = dx / length, uy = dy / length, head = Math.min(length, 4 + 2.2 * width);
  c.lineWidth = width;
  c.beginPath(); c.moveTo(x, y); c.lineTo(x + dx - ux * head * 0.8, y + dy - uy * head * 0.8); c.stroke();
  c.beginPath(); c.moveTo(x + dx, y + dy);
  c.lineTo(x + dx - ux * head - uy * head * 0.6, y + dy - uy * head + ux * head * 0.6);
  c.lineTo(x + dx - ux * head + uy * head * 0.6, y + dy - uy * head - ux * head * 0.6);
  c.closePath(); c.fill();
}

function mark(c, shape, x, y, r) {
  c.beginPath();
  if (shape === "square") c.rect(x - r, y - r, 2 * r, 2 * r);
  else if (shape === "triangle") { c.moveTo(x, y - r * 1.2); c.lineTo(x + r * 1.1, y + r); c.lineTo(x - r * 1.1, y + r); c.closePath(); }
  else if (shape === "plus") { c.rect(x - r, y - r / 3, 2 * r, r / 1.5); c.rect(x - r / 3, y - r, r / 1.5, 2 * r); }
  else c.arc(x, y, r, 0, 7);
  if (shape === "ring") { c.lineWidth = 2; c.stroke(); } else c.fill();
}

export function radar(canvas, scene, decision) {
  const { context: c, width, height } = fit(canvas), k = colours();
  c.clearRect(0, 0, width, height);
  const x0 = width / 2, y0 = height / 2, radius = Math.min(width, height) / 2 - 12, range = scene ? scene.range_m : 40, scale = radius / range;
  c.strokeStyle = k.line; c.lineWidth = 1;
  for (const ring of [0.5, 1]) { c.beginPath(); c.arc(x0, y0, radius * ring, 0, 7); c.stroke(); }
  c.fillStyle = k.soft; c.font = `600 11px ${k.font}`; c.textAlign = "center";
  c.fillText(`${range} m`, x0 + radius * 0.6, y0 + radius * 0.66);
  if (!scene) { c.font = `600 14px ${k.font}`; c.fillText("no state yet", x0, y0 + 4); return; }
  c.strokeStyle = k.line; c.beginPath(); c.moveTo(x0, y0); c.lineTo(x0 - radius * 0.5, y0 - radius * 0.866); c.moveTo(x0, y0); c.lineTo(x0 + radius * 0.5, y0 - radius * 0.866); c.stroke();
  for (const [right, ahead, kind] of scene.objects) {
    c.fillStyle = c.strokeStyle = kind === "health" ? k.good : kind === "xp" ? k.soft : k.human;
    mark(c, SHAPES[kind] || "dot", x0 + right * scale, y0 - ahead * scale, SHAPES[kind] === "dot" ? 1.8 : 4.5);
  }
  for (const [right, ahead, , elite] of scene.enemies) {
    c.fillStyle = c.strokeStyle = k.bad;
    mark(c, elite ? "triangle" : "dot", x0 + right * scale, y0 - ahead * scale, elite ? 7 : 3.2);
  }
  sticks(c, k, x0, y0, radius, decision);
  c.fillStyle = k.ink; c.beginPath(); c.arc(x0, y0, 4.5, 0, 7); c.fill();
}

function sticks(c, k, x0, y0, radius, decision) {
  const length = radius * 0.62, weighed = decision && decision.weighed;
  if (weighed && weighed.candidates && weighed.candidates.length) {
    const found = weighed.candidates, low = Math.min(...found.map((f) => f.bound)), high = Math.max(...found.map((f) => f.bound));
    found.forEach((one, i) => {
      if (i === weighed.taken) return;
      c.globalAlpha = 0.28 + 0.3 * (one.bound - low) / Math.max(1e-6, high - low);
      c.strokeStyle = c.fillStyle = k.ink;
      arrow(c, x0, y0, one.move[0] * length, -one.move[1] * length, 2);
      if (Math.hypot(...one.move) > 0.3) { c.font = `10px ${k.font}`; c.fillText(one.bound.toFixed(2), x0 + one.move[0] * length * 1.14, y0 - one.move[1] * length * 1.14 + 3); }
    });
    c.globalAlpha = 1;
  }
  if (decision && decision.instead_of && decision.instead_of.action) {
    const [mx, my] = decision.instead_of.action.move;
    c.globalAlpha = 0.5; c.setLineDash([5, 4]); c.strokeStyle = c.fillStyle = k.soft; arrow(c, x0, y0, mx * length, -my * length, 3); c.setLineDash([]); c.globalAlpha = 1;
  }
  if (decision && decision.action) {
    const [mx, my] = decision.action.move, [lx, ly] = decision.action.look;
    c.strokeStyle = c.fillStyle = k.owner;
    arrow(c, x0, y0, mx * length, -my * length, 5);
    c.lineWidth = 4; c.beginPath();
    const from = -Math.PI / 2, to = from + lx * 0.9;
    c.arc(x0, y0, radius - 3, Math.min(from, to), Math.max(from, to)); c.stroke();
    if (Math.abs(ly) > 0.05) { c.beginPath(); c.moveTo(x0 + radius - 3, y0); c.lineTo(x0 + radius - 3, y0 - ly * radius * 0.5); c.stroke(); }
  }
}
