// The official JavaScript client against phx-dev: neither of them was written with the other in mind.
// PHX_DEV is the server's binary. Each test has a server of its own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import readline from "node:readline";
import { test } from "node:test";
import { LongPoll, Presence, Serializer, Socket } from "phoenix";
import WebSocket from "ws";

const DEADLINE_MS = 20000;
const KEY = "API_TOKEN_MC_0123456789abcdef";

class KeyedWebSocket extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { headers: { "X-API-Key": KEY } });
  }
}

async function startServer(port = 0, ...options) {
  const child = spawn(process.env.PHX_DEV, ["--port", String(port), "--quiet", ...options],
    { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(readline.createInterface({ input: child.stdout }), "line");
  assert.match(line, /^phx-dev listening on ws:/);
  return {
    port: Number(line.split(":").pop()),
    async stop() {
      if (child.exitCode === null) {
        child.kill("SIGTERM");
        await once(child, "exit");
      }
      return child.exitCode;
    },
    async post(path, body) {
      const answer = await fetch(`http://127.0.0.1:${this.port}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      assert.equal(answer.status, 200);
      return answer.json();
    },
    async get(path) {
      return (await fetch(`http://127.0.0.1:${this.port}${path}`)).json();
    },
  };
}

function connect(server, mount, options = {}) {
  const socket = new Socket(`ws://127.0.0.1:${server.port}${mount}`, {
    transport: WebSocket,
    reconnectAfterMs: () => 50,
    rejoinAfterMs: () => 50,
    ...options,
  });
  socket.connect();
  return socket;
}

// Resolves with what a push or a join is answered with, as [status, response].
function answer(push) {
  return new Promise((resolve, reject) => {
    for (const status of ["ok", "error"]) {
      push.receive(status, (response) => resolve([status, response]));
    }
    push.receive("timeout", () => reject(new Error("no reply")));
  });
}

function next(channel, event) {
  return new Promise((resolve) => {
    const ref = channel.on(event, (payload) => {
      channel.off(event, ref);
      resolve(payload);
    });
  });
}

function named(name, run) {
  test(name, { timeout: DEADLINE_MS }, run);
}

async function withServer(run, ...options) {
  const server = await startServer(0, ...options);
  try {
    await run(server);
  } finally {
    await server.stop();
  }
}

async function withSocket(mount, run, options) {
  await withServer(async (server) => {
    const socket = connect(server, mount, options);
    try {
      await run(socket, server);
    } finally {
      socket.disconnect();
    }
  });
}

named("joins, pushes and gets replies", () => withSocket("/socket", async (socket) => {
  const channel = socket.channel("room:js", { reply: { hello: "world" } });
  assert.deepEqual(await answer(channel.join()), ["ok", { hello: "world" }]);
  const payload = { text: "žluťoučký 🐎", list: [1, 2.5, null, true], nested: { a: {} } };
  assert.deepEqual(await answer(channel.push("ping", payload)), ["ok", payload]);
  assert.deepEqual(await answer(channel.push("fail", {})), ["error", { reason: "no" }]);
}));

named("holds pushes until the channel is joined", () => withSocket("/socket", async (socket) => {
  const channel = socket.channel("slowjoin:js", { ms: 100 });
  const joined = answer(channel.join());
  const early = answer(channel.push("ping", { early: true }));
  assert.deepEqual(await joined, ["ok", { slow: true }]);
  assert.deepEqual(await early, ["ok", { early: true }]);
}));

named("is told when a join is denied", () => withSocket("/socket", async (socket) => {
  const channel = socket.channel("room:js", { deny: true });
  assert.deepEqual(await answer(channel.join()), ["error", { reason: "denied" }]);
  channel.leave();
  const unknown = socket.channel("nosuch:js");
  assert.deepEqual(await answer(unknown.join()), ["error", { reason: "unmatched topic" }]);
  unknown.leave();
}));

named("two clients receive each other's broadcasts", () => withSocket("/socket", async (a, server) => {
  const b = connect(server, "/socket");
  const channels = [a.channel("room:js"), b.channel("room:js")];
  for (const channel of channels) {
    assert.equal((await answer(channel.join()))[0], "ok");
  }
  const heard = channels.map((channel) => next(channel, "shout"));
  channels[0].push("shout", { hi: "all" });
  assert.deepEqual(await Promise.all(heard), [{ hi: "all" }, { hi: "all" }]);
  const tick = next(channels[1], "tick");
  channels[1].push("push_me", { n: 1 });
  assert.deepEqual(await tick, { i: 1 });
  b.disconnect();
}));

named("rejoins after its channel crashed", () => withSocket("/socket", async (socket) => {
  const channel = socket.channel("room:js");
  const other = socket.channel("room:other");
  await answer(other.join());
  let joins = 0;
  const twice = new Promise((resolve) => {
    channel.join().receive("ok", () => ++joins === 2 && resolve());
  });
  const failed = new Promise((resolve) => channel.onError(resolve));
  channel.push("crash", {});
  assert.deepEqual(await failed, { reason: "channel_crash" });
  await twice;
  assert.deepEqual(await answer(channel.push("ping", { back: 1 })), ["ok", { back: 1 }]);
  assert.deepEqual(await answer(other.push("ping", {})), ["ok", {}]);
}));

named("leaves, and may join again", () => withSocket("/socket", async (socket) => {
  const channel = socket.channel("room:js");
  await answer(channel.join());
  const closed = new Promise((resolve) => channel.onClose(resolve));
  assert.equal((await answer(channel.leave()))[0], "ok");
  await closed;
  const again = socket.channel("room:js");
  assert.equal((await answer(again.join()))[0], "ok");
  assert.deepEqual(await answer(again.push("ping", {})), ["ok", {}]);
}));

named("has its heartbeats answered", () => withSocket("/socket", async (socket) => {
  await new Promise((resolve) => socket.onOpen(resolve));
  const beaten = new Promise((resolve) => socket.ping(resolve));
  assert.equal(typeof await beaten, "number");
}));

named("reconnects and rejoins when the server was restarted", async () => {
  let server = await startServer();
  const socket = connect(server, "/socket");
  try {
    const channel = socket.channel("room:js");
    let rejoined;
    const again = new Promise((resolve) => { rejoined = resolve; });
    let joins = 0;
    const first = new Promise((resolve) => {
      channel.join().receive("ok", () => (++joins === 1 ? resolve() : rejoined()));
    });
    await first;
    const closed = new Promise((resolve) => socket.onClose(resolve));
    const stopping = server.stop();
    assert.equal((await closed).code, 1012);
    assert.equal(await stopping, 0);
    server = await startServer(server.port);
    await again;
    assert.deepEqual(await answer(channel.push("ping", { after: "restart" })),
      ["ok", { after: "restart" }]);
  } finally {
    socket.disconnect();
    await server.stop();
  }
});

named("reconnects when the connection just breaks", () => withSocket("/socket", async (socket) => {
  const channel = socket.channel("room:js");
  let joins = 0;
  const twice = new Promise((resolve) => {
    channel.join().receive("ok", () => ++joins === 2 ? resolve() : channel.push("kill_transport", {}));
  });
  await twice;
  assert.deepEqual(await answer(channel.push("ping", {})), ["ok", {}]);
}));

// The server's metadata message is an object on a V2 socket too, which the client's own decoder does
// not take.
function tolerantDecode(metadata) {
  return (raw, callback) => {
    if (typeof raw === "string" && raw.startsWith("{")) {
      metadata(JSON.parse(raw));
    } else {
      Serializer.decode(raw, callback);
    }
  };
}

named("uploads readings and receives controls as a microcontroller", async () => {
  let seen;
  const metadata = new Promise((resolve) => { seen = resolve; });
  const options = { transport: KeyedWebSocket, decode: tolerantDecode((m) => seen(m)) };
  await withSocket("/microcontrollers", async (socket, server) => {
    assert.deepEqual(await metadata, {
      event: "metadata",
      join_ref: null,
      payload: { controller_id: 1, location_id: 2, user_id: 1 },
      ref: null,
      topic: "microcontroller:1",
    });
    const channel = socket.channel("microcontroller:v1:1", {});
    assert.equal((await answer(channel.join()))[0], "ok");
    const upload = { bme280: [{ type: "temperature", value: 21.5 }, { type: "humidity", value: 40 }] };
    assert.deepEqual(await answer(channel.push("upload_readings", upload)), ["ok", {}]);
    assert.deepEqual((await server.get("/readings")).readings.map((r) => [r.sensor, r.type, r.value]),
      [["bme280", "temperature", 21.5], ["bme280", "humidity", 40]]);
    const control = next(channel, "control_update");
    assert.deepEqual(await server.post("/control/1", { control: [{ led: 1 }, { motor: 0.5 }] }),
      { received: 1 });
    assert.deepEqual(await control, { control: [{ led: 1 }, { motor: 0.5 }] });
    const closed = new Promise((resolve) => socket.onClose(resolve));
    assert.deepEqual(await server.post("/kick/1", {}), { kicked: 1 });
    assert.equal((await closed).code, 1001);
  }, options);
});

// Polls are held for a second here, so that a client that leaves keeps nobody waiting.
const POLLING = ["--poll-ms", "1000"];

async function withPolling(mount, run, options = {}, more = []) {
  await withServer(async (server) => {
    const socket = connect(server, mount, { transport: LongPoll, ...options });
    try {
      await run(socket, server);
    } finally {
      socket.disconnect();
    }
  }, ...POLLING, ...more);
}

named("joins and pushes by long polling", () => withPolling("/socket", async (socket, server) => {
  const channel = socket.channel("room:js", { reply: { hello: "poll" } });
  assert.deepEqual(await answer(channel.join()), ["ok", { hello: "poll" }]);
  const payload = { text: "žluťoučký 🐎", list: [1, 2.5, null, true] };
  assert.deepEqual(await answer(channel.push("ping", payload)), ["ok", payload]);
  const heard = next(channel, "new_msg");
  channel.push("new_msg", { body: "to all" });
  assert.deepEqual(await heard, { body: "to all" });
  assert.equal((await server.get("/sockets")).sockets[0].path, "/socket/longpoll");
}));

named("a poller and a WebSocket are in one room", () => withPolling("/socket", async (poller, server) => {
  const other = connect(server, "/socket");
  const channels = [poller.channel("room:js"), other.channel("room:js")];
  for (const channel of channels) {
    assert.equal((await answer(channel.join()))[0], "ok");
  }
  const heard = channels.map((channel) => next(channel, "shout"));
  channels[1].push("shout", { hi: "all" });
  assert.deepEqual(await Promise.all(heard), [{ hi: "all" }, { hi: "all" }]);
  other.disconnect();
}));

named("many pushes at once arrive in order by long polling", () => withPolling("/socket", async (socket) => {
  const channel = socket.channel("room:js");
  await answer(channel.join());
  const answers = Array.from({ length: 250 }, (_, i) => answer(channel.push("ping", { i })));
  assert.deepEqual((await Promise.all(answers)).map(([, { i }]) => i), answers.map((_, i) => i));
}));

named("a poller that was kicked comes back with a new session and rejoins", () =>
  withPolling("/socket", async (socket, server) => {
    const channel = socket.channel("room:js");
    let joins = 0;
    const twice = new Promise((resolve) => {
      channel.join().receive("ok", () => {
        if (++joins === 1) {
          server.post("/kick_id?id=user:joe", {});
        } else {
          resolve();
        }
      });
    });
    await twice;
    assert.deepEqual(await answer(channel.push("ping", {})), ["ok", {}]);
  }, { params: { user: "joe" } }, ["--lab"]));

named("falls back to long polling where WebSockets are not answered", async () => {
  await withServer(async (server) => {
    await server.post("/fault", { silent: true, transport: "websocket" });
    const socket = connect(server, "/socket", { longPollFallbackMs: 200 });
    try {
      const channel = socket.channel("room:js");
      assert.equal((await answer(channel.join()))[0], "ok");
      assert.equal((await server.get("/sockets")).sockets[0].path, "/socket/longpoll");
    } finally {
      socket.disconnect();
    }
  }, ...POLLING);
});

named("the token of 1.8 is seen by both transports", () => withServer(async (server) => {
  for (const transport of [WebSocket, LongPoll]) {
    const socket = connect(server, "/socket_auth", { transport, authToken: "s3cret" });
    const channel = socket.channel("room:js", { info: true });
    const [, info] = await answer(channel.join());
    assert.equal(info.auth_token, "s3cret");
    socket.disconnect();
  }
}, ...POLLING, "--lab"));

function someone(socket, key, meta) {
  const channel = socket.channel("presence:js", { key, meta });
  const presence = new Presence(channel);
  const seen = [];
  presence.onJoin((id, current, joined) => seen.push(["join", id, joined.metas.length]));
  presence.onLeave((id, current, left) => seen.push(["leave", id, current.metas.length]));
  const synced = (wanted) => new Promise((resolve) => {
    const look = () => {
      const now = presence.list((id, { metas }) => `${id} ${metas.map((m) => m.at).sort()}`).sort();
      if (JSON.stringify(now) === JSON.stringify(wanted)) {
        resolve();
      }
    };
    presence.onSync(look);
    look();
  });
  channel.join();
  return { channel, seen, synced };
}

named("Presence: who comes, goes and changes", () => withSocket("/socket", async (socket, server) => {
  const second = connect(server, "/socket");
  const ann = someone(socket, "ann", { at: "desk" });
  await ann.synced(["ann desk"]);
  const bob = someone(second, "bob", { at: "door" });
  await Promise.all([ann, bob].map((p) => p.synced(["ann desk", "bob door"])));
  const third = connect(server, "/socket");
  const again = someone(third, "ann", { at: "phone" });
  await Promise.all([ann, bob, again].map((p) => p.synced(["ann desk,phone", "bob door"])));
  assert.equal((await answer(bob.channel.push("update", { at: "hall" })))[0], "ok");
  await ann.synced(["ann desk,phone", "bob hall"]);
  third.disconnect();
  await ann.synced(["ann desk", "bob hall"]);
  bob.channel.leave();
  await ann.synced(["ann desk"]);
  assert.ok(ann.seen.some(([what, id, left]) => what === "leave" && id === "bob" && left === 0));
  second.disconnect();
}));
