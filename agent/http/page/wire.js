// The stream's bytes: MessagePack to values, and the WebSocket that brings pictures and states.

const text = new TextDecoder();
export const PICTURE = 1, STATE = 2, HELLO = 3, CLOCK = 4;

export function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (n) => { const from = at; at += n; if (at > bytes.length) throw new RangeError("cut off"); return from; };
  const string = (n) => { const from = take(n); return text.decode(bytes.subarray(from, from + n)); };
  const array = (n) => { const out = new Array(n); for (let i = 0; i < n; i++) out[i] = value(); return out; };
  const map = (n) => { const out = Object.create(null); for (let i = 0; i < n; i++) { const key = value(); out[key] = value(); } return out; };
  const blob = (n) => { const from = take(n); return bytes.subarray(from, from + n); };
  function value() {
    const b = view.getUint8(take(1));
    if (b < 0x80) return b;
    if (b < 0x90) return map(b & 15);
    if (b < 0xa0) return array(b & 15);
    if (b < 0xc0) return string(b & 31);
    if (b >= 0xe0) return b - 256;
    switch (b) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return blob(view.getUint8(take(1)));
      case 0xc5: return blob(view.getUint16(take(2)));
      case 0xc6: return blob(view.getUint32(take(4)));
      case 0xca: return view.getFloat32(take(4));
      case 0xcb: return view.getFloat64(take(8));
      case 0xcc: return view.getUint8(take(1));
      case 0xcd: return view.getUint16(take(2));
      case 0xce: return view.getUint32(take(4));
      case 0xcf: return Number(view.getBigUint64(take(8)));
      case 0xd0: return view.getInt8(take(1));
      case 0xd1: return view.getInt16(take(2));
      case 0xd2: return view.getInt32(take(4));
      case 0xd3: return Number(view.getBigInt64(take(8)));
      case 0xd9: return string(view.getUint8(take(1)));
      case 0xda: return string(view.getUint16(take(2)));
      case 0xdb: return string(view.getUint32(take(4)));
      case 0xdc: return array(view.getUint16(take(2)));
      case 0xdd: return array(view.getUint32(take(4)));
      case 0xde: return map(view.getUint16(take(2)));
      case 0xdf: return map(view.getUint32(take(4)));
      default: throw new RangeError(`byte ${b} is no MessagePack here`);
    }
  }
  return value();
}

const AGAIN_MS = 1000, CLOCK_MS = 2000;

// Connects, and connects again. `on` has picture(blob, timeNs), state(values), hello(values), lost(reason).
export class Live {
  constructor(on, { fps = 10, pictures = true } = {}) {
    this.on = on;
    this.fps = fps;
    this.pictures = pictures;
    this.offsets = [];
    this.shown = 0;
    this.socket = null;
    this.open();
    setInterval(() => this.askClock(), CLOCK_MS);
  }

  open() {
    const socket = new WebSocket(`ws://${location.host}/api/v1/live?fps=${this.fps}`);
    socket.binaryType = "arraybuffer";
    this.shown = 0;
    socket.onopen = () => { this.socket = socket; this.send({ ack: 0, game: this.game || 0, pictures: this.pictures }); for (let i = 0; i < 3; i++) setTimeout(() => this.askClock(), 100 * i); };
    socket.onmessage = (event) => this.take(event.data);
    socket.onclose = (event) => {
      this.socket = null;
      this.on.lost(event.reason);
      setTimeout(() => this.open(), AGAIN_MS);
    };
  }

  get isOpen() { return this.socket !== null; }

  send(values) { if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(values)); }

  watch(game) { this.game = game; this.send({ game }); }

  askClock() { this.send({ clock: performance.now() }); }

  take(buffer) {
    const view = new DataView(buffer), kind = view.getUint8(0);
    const timeNs = Number(view.getBigUint64(1, true)), body = new Uint8Array(buffer, 9);
    if (kind === CLOCK) { this.keepOffset(timeNs, unpack(body)); return; }
    if (kind === HELLO) { this.on.hello(unpack(body)); return; }
    if (kind === STATE) this.on.state(unpack(body));
    if (kind === PICTURE) this.on.picture(new Blob([body], { type: "image/jpeg" }), timeNs);
    this.shown += 1;
    this.send({ ack: this.shown });
  }

  // Of the newest answers the fastest tells best how far the two clocks are apart.
  keepOffset(serverNs, askedMs) {
    const nowMs = performance.now(), tripMs = nowMs - askedMs;
    this.offsets.push({ tripMs, offsetMs: serverNs / 1e6 - (askedMs + tripMs / 2) });
    if (this.offsets.length > 8) this.offsets.shift();
  }

  ageMs(timeNs) {
    if (!this.offsets.length) return null;
    const best = this.offsets.reduce((a, b) => (b.tripMs < a.tripMs ? b : a));
    return Math.max(0, performance.now() + best.offsetMs - timeNs / 1e6);
  }
}
