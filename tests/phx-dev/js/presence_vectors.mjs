// Writes tests/vectors/phx_presence.jsonl: what the official client's Presence makes of random
// states and diffs. One JSON line a step: what came, the callbacks it led to, and who is there then.
//   npm ci && node presence_vectors.mjs > ../../vectors/phx_presence.jsonl
import { Presence } from "phoenix";

const SCENARIOS = 15;
const STEPS = 14;
let random = 20260101;

function draw(below) {
  random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
  return Math.floor((random / 2 ** 32) * below);
}

const keys = ["alice", "bob", "c\"d", "é", "__proto__", "a/b"];
const copy = (value) => JSON.parse(JSON.stringify(value));

// A presence of one to three metas, with refs that come back, and other members now and then.
function presence() {
  const metas = [];
  for (let n = 1 + draw(3); n > 0; n--) {
    const ref = "F" + draw(6);
    if (!metas.some((m) => m.phx_ref === ref)) metas.push({ phx_ref: ref, n: draw(3) });
  }
  return draw(3) ? { metas } : { metas, user: { name: "n" + draw(4) } };
}

// Own properties only, "__proto__" among them.
function some(at_most) {
  const entries = [];
  for (let n = draw(at_most + 1); n > 0; n--) {
    const key = keys[draw(keys.length)];
    if (!entries.some(([k]) => k === key)) entries.push([key, presence()]);
  }
  return Object.fromEntries(entries);
}

function play(scenario) {
  const handlers = {};
  const channel = { ref: "1", on: (event, f) => (handlers[event] = f), joinRef: () => channel.ref };
  const presences = new Presence(channel);
  let calls = [];
  presences.onJoin((key, current, joined) => calls.push(["join", key, copy(current ?? null), copy(joined)]));
  presences.onLeave((key, current, left) => calls.push(["leave", key, copy(current), copy(left)]));
  presences.onSync(() => calls.push(["sync"]));
  for (let step = 0; step < STEPS; step++) {
    const op = step === 2 ? "state" : ["diff", "diff", "diff", "diff", "state", "joined"][draw(6)];
    const payload = op === "state" ? some(5) : op === "diff" ? { joins: some(3), leaves: some(3) } : {};
    calls = [];
    if (op === "joined") {
      channel.ref = String(Number(channel.ref) + 1);
      presences.pendingDiffs = []; // what is left of an earlier join says nothing about this one
    } else handlers["presence_" + op](copy(payload));
    console.log(JSON.stringify({ scenario, op, payload, calls, state: presences.state }));
  }
}

for (let scenario = 0; scenario < SCENARIOS; scenario++) play(scenario);
