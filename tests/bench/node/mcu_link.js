// The host's side of mcu-protocol, as much of it as readings and commands need on a line that loses
// nothing: framing, sessions, acks, description, time. Written from PROTOCOL.md.
import { crc32 } from "node:zlib";

const VERSION = 1;
const VEIL = 0x5a;
const RELIABLE = 0x80;
const CREDIT = 4096;
const ID = { hello: 1, helloAck: 2, ack: 3, noSession: 4, timeAsk: 5, time: 6, describe: 0x10, chunk: 0x11,
  readings: 0x20, result: 0x21, scan: 0x24, command: 0x30 };
const KINDS = ["", "temperature", "pressure", "illuminance", "humidity"];

const CRC16 = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >> 1) ^ 0x8408 : crc >> 1;
  return crc;
});

function crc16(bytes, end) {
  let crc = 0xffff;
  for (let i = 0; i < end; i++) crc = (crc >> 8) ^ CRC16[(crc ^ bytes[i]) & 0xff];
  return crc ^ 0xffff;
}

function crcOf32(bytes) {
  return crc32 ? crc32(bytes) : crc32Slow(bytes); // Node.js before 20.15 has none
}

function crc32Slow(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

export function encodeFrame(id, tag, number, body = Buffer.alloc(0)) {
  const content = Buffer.alloc(body.length + 5);
  content[0] = id;
  content[1] = tag;
  content[2] = number;
  body.copy(content, 3);
  content.writeUInt16LE(crc16(content, content.length - 2), content.length - 2);
  const out = Buffer.alloc(content.length + 3);
  let at = 2, code = 1;
  for (let i = 0; i < content.length; i++) {
    const byte = content[i] ^ ((i + 1) & 0xff) ^ VEIL;
    if (byte === 0) {
      out[code] = at - code;
      code = at++;
    } else {
      out[at++] = byte;
    }
  }
  out[code] = at - code;
  at++; // the closing delimiter
  return out.subarray(0, at);
}

// Returns the content without its CRC, or null.
function decodeFrame(stuffed) {
  const content = Buffer.allocUnsafe(stuffed.length);
  let n = 0;
  for (let at = 0; at < stuffed.length;) {
    const code = stuffed[at++];
    const end = at + code - 1;
    if (end > stuffed.length) return null;
    while (at < end) content[n++] = stuffed[at++];
    if (at < stuffed.length) content[n++] = 0;
  }
  for (let i = 0; i < n; i++) content[i] ^= ((i + 1) & 0xff) ^ VEIL;
  if (n < 5 || crc16(content, n - 2) !== content.readUInt16LE(n - 2)) return null;
  return content.subarray(0, n - 2);
}

export class McuLink {
  // io: write(buffer), ready(link), reading(sensor, value, number), result(request, status)
  constructor(io) {
    this.io = io;
    this.held = Buffer.alloc(0);
    this.tag = 0;
    this.request = 0;
    this.sent = 0;
    this.hello();
    this.timer = setInterval(() => this.keepAlive(), 200);
  }

  hello() {
    this.nonce = (Math.floor(Math.random() * 0xfffffff) * 16 + 1) >>> 0;
    this.expected = 0;
    this.description = Buffer.alloc(0);
    this.sensors = null;
    const body = Buffer.alloc(12);
    body[0] = VERSION;
    body.writeUInt32LE(this.nonce, 1);
    body.writeUInt32LE(Math.floor(Math.random() * 0x7fffffff) + 1, 5);
    body[9] = 240;
    body.writeUInt16LE(CREDIT, 10);
    this.io.write(encodeFrame(ID.hello, 0, 0, body));
  }

  keepAlive() {
    if (!this.tag) this.hello();
    else this.io.write(encodeFrame(ID.timeAsk, this.tag, 0, Buffer.from([this.ref = (this.ref + 1) & 0xff])));
  }

  feed(data) {
    const bytes = this.held.length ? Buffer.concat([this.held, data]) : data;
    let from = 0, acks = false;
    for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, from)) {
      if (end > from) {
        const frame = decodeFrame(bytes.subarray(from, end));
        if (frame) acks = this.frame(frame) || acks;
      }
      from = end + 1;
    }
    this.held = Buffer.from(bytes.subarray(from));
    if (acks) this.ack();
  }

  frame(frame) {
    const id = frame[0], body = frame.subarray(3);
    if (id === ID.helloAck) return this.helloAck(frame[1], body);
    if (!this.tag || frame[1] !== this.tag) return false;
    if (!(id & RELIABLE)) {
      this.message(id, body, -1);
      return false;
    }
    if (frame[2] === (this.expected & 0xff)) this.message(id & ~RELIABLE, body, this.expected++);
    return true;
  }

  helloAck(tag, body) {
    if (this.tag || body.readUInt32LE(1) !== this.nonce) return false;
    this.tag = tag;
    this.expected = body.readUInt32LE(9);
    this.tickUs = body.readUInt16LE(17);
    this.schema = body.readUInt32LE(19);
    this.sent = 0;
    this.ref = 0;
    this.device = body.subarray(24, 24 + body[23]).toString();
    this.describe();
    return true;
  }

  describe() {
    const body = Buffer.alloc(2);
    body.writeUInt16LE(this.description.length, 0);
    this.io.write(encodeFrame(ID.describe | RELIABLE, this.tag, this.sent++ & 0xff, body));
  }

  ack() {
    const body = Buffer.alloc(4);
    body[0] = this.expected & 0xff;
    body.writeUInt16LE(CREDIT, 1);
    this.io.write(encodeFrame(ID.ack, this.tag, this.expected & 0xff, body));
  }

  message(id, body, number) {
    if (id === ID.readings) this.readings(body, number);
    else if (id === ID.scan) this.scan(body, number);
    else if (id === ID.chunk) this.chunk(body);
    else if (id === ID.time) this.time(body);
    else if (id === ID.result) this.io.result(body.readUInt16LE(0), body[2]);
  }

  time(body) {
    this.deviceUs = Number(body.readBigUInt64LE(1));
    this.atUs = Number(process.hrtime.bigint() / 1000n);
  }

  chunk(body) {
    if (this.sensors || body.readUInt16LE(0) !== this.description.length) return;
    this.description = Buffer.concat([this.description, body.subarray(4)]);
    if (this.description.length < body.readUInt16LE(2)) this.describe();
    else if (crcOf32(this.description) === this.schema) this.described();
  }

  described() {
    const bytes = this.description;
    let at = 1;
    const text = () => bytes.subarray(at + 1, at += 1 + bytes[at]).toString();
    for (let i = 0; i < 4; i++) text();
    const sensors = [];
    for (let left = bytes[at++]; left > 0; left--) {
      const sensor = { name: text(), kind: KINDS[bytes[at++]] };
      if (!sensor.kind) [sensor.kind, sensor.unit] = [text(), text()];
      sensor.type = bytes[at++];
      sensor.scale = 10 ** bytes.readInt8(at++);
      sensors.push(sensor);
    }
    this.controls = [];
    for (let left = bytes[at++]; left > 0; left--) {
      const control = { name: text(), type: bytes[at++], scale: 10 ** bytes.readInt8(at++) };
      at += 4 * SIZES[control.type];
      this.controls.push(control);
    }
    this.sensors = sensors;
    this.io.ready(this);
  }

  value(sensor, body, at) {
    switch (sensor.type) {
      case TYPE.bool: return body[at];
      case TYPE.i16: return body.readInt16LE(at) * sensor.scale;
      case TYPE.i32: return body.readInt32LE(at) * sensor.scale;
      default: return body.readFloatLE(at);
    }
  }

  readings(body, number) {
    if (!this.sensors) return;
    for (let at = 4, first = true; at < body.length; first = false) {
      const sensor = this.sensors[body[at++]];
      while (!first && body[at++] & 0x80);
      this.io.reading(sensor, this.value(sensor, body, at), number);
      at += SIZES[sensor.type];
    }
  }

  scan(body, number) {
    if (!this.sensors) return;
    for (let at = 5, slot = body[4]; at < body.length; slot++) {
      this.io.reading(this.sensors[slot], this.value(this.sensors[slot], body, at), number);
      at += SIZES[this.sensors[slot].type];
    }
  }

  // Applied within two seconds, or never.
  command(name, value) {
    const index = this.controls.findIndex((control) => control.name === name);
    if (index < 0 || this.deviceUs === undefined) return false;
    const control = this.controls[index];
    const nowUs = Number(process.hrtime.bigint() / 1000n);
    const deadline = Math.floor((this.deviceUs + nowUs - this.atUs + 2e6) / this.tickUs) >>> 0;
    const sealed = Buffer.alloc(16), body = Buffer.alloc(15);
    this.request = (this.request + 1) & 0xffff;
    sealed.writeUInt32LE(this.nonce, 0);
    sealed[4] = ID.command;
    sealed.writeUInt16LE(this.request, 5);
    sealed[7] = index;
    if (control.type === TYPE.f32) sealed.writeFloatLE(value, 8);
    else sealed.writeInt32LE(Math.round(value / control.scale), 8);
    sealed.writeUInt32LE(deadline, 12);
    sealed.copy(body, 0, 5);
    body.writeUInt32LE(crcOf32(sealed), 11);
    this.io.write(encodeFrame(ID.command | RELIABLE, this.tag, this.sent++ & 0xff, body));
    return true;
  }
}

const TYPE = { bool: 0, i16: 1, i32: 2, f32: 3 };
const SIZES = [1, 2, 4, 4];
