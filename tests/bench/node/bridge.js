// node bridge.js URL BATCH_MS PORT KEY [PORT KEY]...
// Each board on a serial port becomes a client of its own: readings up as upload_readings, controls down.
import { readFileSync } from "node:fs";
import { Socket } from "phoenix";
import { SerialPort } from "serialport";
import WebSocket from "ws";
import { McuLink } from "./mcu_link.js";

const BATCH = 500;
const [url, batchMs, ...boards] = process.argv.slice(2);

// The metadata comes as an object whatever the vsn; the official decoder takes arrays only.
function decode(text, callback) {
  const message = JSON.parse(text);
  if (!Array.isArray(message)) return callback(message);
  const [join_ref, ref, topic, event, payload] = message;
  return callback({ join_ref, ref, topic, event, payload });
}

class Board {
  constructor(path, keyFile) {
    const headers = { "X-API-Key": readFileSync(keyFile, "utf8").trim() };
    this.waiting = [];
    this.busy = false;
    this.port = new SerialPort({ path, baudRate: 115200, lock: false });
    this.port.on("error", (error) => console.error(`${path}: ${error.message}`));
    this.link = new McuLink({
      write: (bytes) => this.port.write(bytes),
      ready: () => console.log(`board ${this.link.device}`),
      reading: (sensor, value) => this.add(sensor, value),
      result: () => {},
    });
    this.port.on("data", (data) => this.link.feed(data));
    this.socket = new Socket(url.replace(/\/websocket$/, ""), {
      decode,
      transport: class extends WebSocket {
        constructor(address) {
          super(address, { headers });
        }
      },
    });
    this.socket.onMessage(({ event, payload }) => event === "metadata" && this.join(payload.controller_id));
    this.socket.connect();
  }

  join(id) {
    if (this.channel) return;
    this.channel = this.socket.channel(`microcontroller:v1:${id}`, {});
    this.channel.on("control_update", ({ control }) => {
      for (const element of control)
        for (const [name, value] of Object.entries(element)) this.link.command(name, value);
    });
    this.channel.join().receive("ok", () => {
      console.log("joined");
      this.flush();
    });
  }

  add(sensor, value) {
    this.waiting.push([sensor, value]);
    if (this.waiting.length >= BATCH) this.flush();
    else if (!this.timer) this.timer = setTimeout(() => this.flush(), Number(batchMs));
  }

  flush() {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.busy || !this.waiting.length || this.channel?.state !== "joined") return;
    const batch = this.waiting.splice(0, BATCH), payload = {};
    for (const [sensor, value] of batch) (payload[sensor.name] ??= []).push({ type: sensor.kind, value });
    const again = () => {
      this.busy = false;
      this.waiting.unshift(...batch);
      this.flush();
    };
    this.busy = true;
    this.channel.push("upload_readings", payload)
      .receive("ok", () => {
        this.busy = false;
        if (this.waiting.length >= BATCH || Number(batchMs) === 0) this.flush();
        else if (this.waiting.length && !this.timer) this.timer = setTimeout(() => this.flush(), Number(batchMs));
      })
      .receive("error", again)
      .receive("timeout", again);
  }
}

for (let i = 0; i < boards.length; i += 2) new Board(boards[i], boards[i + 1]);
