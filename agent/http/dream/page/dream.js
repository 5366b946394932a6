// Keys go to the world, its pictures come back: a length, that many bytes of JSON, then RGB pictures.
"use strict";
const at = (id) => document.getElementById(id);
const pressed = new Set();
const known = new Set();
const rates = [];
let socket = null;

function send(told) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(told));
}

function draw(canvas, rgb, size) {
  if (canvas.width !== size) { canvas.width = size; canvas.height = size; }
  const image = new ImageData(size, size);
  for (let i = 0, j = 0; j < rgb.length; i += 4, j += 3) {
    image.data[i] = rgb[j]; image.data[i + 1] = rgb[j + 1]; image.data[i + 2] = rgb[j + 2]; image.data[i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const shown = (value, digits) => (value === null ? "–" : value.toFixed(digits));

function take(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const told = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const bytes = new Uint8Array(buffer, 4 + length);
  const count = told.size * told.size * 3;
  draw(at("dreamed"), bytes.subarray(0, count), told.size);
  at("true-figure").hidden = !told.has_true;
  if (told.has_true) draw(at("true"), bytes.subarray(count, 2 * count), told.size);
  rates.push(performance.now());
  if (rates.length > 30) rates.shift();
  const span = rates[rates.length - 1] - rates[0];
  at("rate").textContent = span > 0 ? (1000 * (rates.length - 1) / span).toFixed(1) : "–";
  at("mode").textContent = told.mode;
  at("number").textContent = told.number;
  at("regime").textContent = told.regime === null ? "–" : told.regime;
  at("surprise").textContent = shown(told.surprise, 4);
  at("reward").textContent = shown(told.reward, 2);
  document.documentElement.dataset.number = told.number;
}

function describe(told) {
  at("about").textContent = told.about;
  at("keys").replaceChildren(...told.keys.map(([code, effect]) => {
    const item = document.createElement("li"), key = document.createElement("kbd");
    known.add(code);
    key.textContent = code.replace(/^(Key|Digit|Arrow)/, "");
    item.append(key, ` ${effect}`);
    return item;
  }));
}

function press(event, isDown) {
  if (!known.has(event.code) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (isDown === pressed.has(event.code)) return;
  if (isDown) pressed.add(event.code); else pressed.delete(event.code);
  send({ keys: [...pressed] });
}

function connect() {
  socket = new WebSocket(`ws://${location.host}/dream`);
  socket.binaryType = "arraybuffer";
  socket.onmessage = (event) => (typeof event.data === "string" ? describe(JSON.parse(event.data)) : take(event.data));
  socket.onclose = () => { at("mode").textContent = "the dream has ended"; setTimeout(connect, 1000); };
}

addEventListener("keydown", (event) => press(event, true));
addEventListener("keyup", (event) => press(event, false));
addEventListener("blur", () => { pressed.clear(); send({ keys: [] }); });
at("restart").addEventListener("click", () => { send({ restart: true }); at("restart").blur(); });
at("dreamed").addEventListener("pointerdown", (event) => {
  const box = event.target.getBoundingClientRect();
  send({ keys: [...pressed], click: [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height] });
});
connect();
