// What the page's WAMP v1 client does, played against a WebSocket made of variables. Prints one line for each thing that is so.

import assert from "node:assert/strict";
import { connect } from "./wamp1.js";

const DELAYS = [2, 4];

class FakeSocket {
    static made = [];
    sent = [];
    closed = null;
    constructor(url, protocols) {
        this.url = url;
        this.protocols = protocols;
        FakeSocket.made.push(this);
    }
    send(text) { this.sent.push(JSON.parse(text)); }
    close(code) { this.closed ??= code ?? "dropped"; }
    says(...message) { this.onmessage({ data: JSON.stringify(message) }); }
    text(data) { this.onmessage({ data }); }
    drops(code = 1006) { this.onclose({ code }); }
    welcomes() { this.says(0, "4711", 1, "router"); }
}

const pause = (milliseconds = 0) => new Promise((done) => setTimeout(done, milliseconds));

async function until(condition, what) {
    for (let tries = 0; tries < 500; tries++) {
        if (condition()) return;
        await pause(2);
    }
    assert.fail(`never: ${what}`);
}

/** A connection that has made its first socket, and everything it was heard to say. */
async function begun(options = {}, url = "wss://here/ws") {
    FakeSocket.made = [];
    const heard = { opened: [], closed: [], frames: [], refused: [] };
    const line = connect(url, {
        WebSocket: FakeSocket,
        delays: DELAYS,
        onopen: (what) => heard.opened.push(what),
        onclose: (what) => heard.closed.push(what),
        onframe: (...what) => heard.frames.push(what),
        onrefused: (...what) => heard.refused.push(what),
        ...options,
    });
    await pause();
    return { line, heard, socket: FakeSocket.made[0] };
}

const CASES = {
    "asks for the subprotocol wamp": async () => {
        const { socket, line } = await begun();
        assert.equal(socket.url, "wss://here/ws");
        assert.deepEqual(socket.protocols, ["wamp"]);
        assert.equal(line.connected, false);
        line.close();
    },
    "sends nothing before WELCOME, then subscribes": async () => {
        const { socket, line, heard } = await begun();
        line.subscribe("a", () => null);
        line.subscribe("b", () => null);
        assert.equal(line.publish("a", 1), false);
        assert.deepEqual(socket.sent, []);
        socket.welcomes();
        assert.deepEqual(socket.sent, [[5, "a"], [5, "b"]]);
        assert.deepEqual(heard.opened, [{ session: "4711", server: "router" }]);
        line.subscribe("c", () => null);
        assert.deepEqual(socket.sent.at(-1), [5, "c"]);
        line.close();
    },
    "shares one subscription among callbacks": async () => {
        const { socket, line } = await begun();
        socket.welcomes();
        const got = [];
        const one = (event, topic) => got.push(["one", event, topic]);
        const two = (event) => got.push(["two", event]);
        line.subscribe("a", one);
        line.subscribe("a", two);
        socket.says(8, "a", { x: 1 });
        socket.says(8, "other", 2);
        assert.deepEqual(got, [["one", { x: 1 }, "a"], ["two", { x: 1 }]]);
        line.unsubscribe("a", one);
        assert.deepEqual(socket.sent, [[5, "a"]]);
        line.unsubscribe("a", two);
        line.unsubscribe("a", two);
        assert.deepEqual(socket.sent, [[5, "a"], [6, "a"]]);
        socket.says(8, "a", 3);
        assert.equal(got.length, 2);
        line.close();
    },
    "publishes": async () => {
        const { socket, line } = await begun();
        socket.welcomes();
        assert.equal(line.publish("a", [1]), true);
        line.publish("a", "x", false);
        assert.deepEqual(socket.sent, [[7, "a", [1], true], [7, "a", "x", false]]);
        line.close();
    },
    "hands out every frame in both directions": async () => {
        const { socket, line, heard } = await begun();
        socket.welcomes();
        line.subscribe("a", () => null);
        assert.deepEqual(heard.frames, [["in", '[0,"4711",1,"router"]'], ["out", '[5,"a"]']]);
        line.close();
    },
    "understands a refusal, which is no JSON, and does not ask again": async () => {
        const { socket, line, heard } = await begun();
        line.subscribe("mine", () => null);
        line.subscribe('x "y"/*', () => null);
        socket.welcomes();
        const text = 'You are not allowed to subscribe on topic "x "y"/*".';
        socket.text(text);
        assert.deepEqual(heard.refused, [['x "y"/*', text]]);
        socket.drops();
        await until(() => FakeSocket.made.length === 2, "a second socket");
        FakeSocket.made[1].welcomes();
        assert.deepEqual(FakeSocket.made[1].sent, [[5, "mine"]]);
        line.close();
    },
    "is not upset by what it does not know": async () => {
        const { socket, line, heard } = await begun();
        socket.welcomes();
        for (const text of ["", "null", "7", "{}", "[", "[]", "[99]", "[8]", '[3,"id",1]', "HTTP/1.0 200 OK"]) socket.text(text);
        socket.welcomes();
        assert.equal(line.connected, true);
        assert.equal(heard.opened.length, 1);
        line.close();
    },
    "comes back with a fresh address and its subscriptions": async () => {
        let asked = 0;
        const { socket, line, heard } = await begun({}, async () => `wss://here/ws?ticket=${++asked}`);
        const got = [];
        line.subscribe("a", (event) => got.push(event));
        socket.welcomes();
        socket.drops();
        assert.equal(line.connected, false);
        assert.equal(heard.closed[0].opened, true);
        await until(() => FakeSocket.made.length === 2, "a second socket");
        const [, second] = FakeSocket.made;
        assert.deepEqual(FakeSocket.made.map(({ url }) => url), ["wss://here/ws?ticket=1", "wss://here/ws?ticket=2"]);
        second.welcomes();
        assert.deepEqual(second.sent, [[5, "a"]]);
        socket.says(8, "a", "from the dead");
        second.says(8, "a", "alive");
        assert.deepEqual(got, ["alive"]);
        line.close();
    },
    "waits longer each time, not quite as long as everybody else, and starts over after a WELCOME": async () => {
        const { line, heard } = await begun();
        for (let number = 1; number <= 4; number++) {
            FakeSocket.made.at(-1).drops();
            await until(() => FakeSocket.made.length === number + 1, `socket ${number + 1}`);
        }
        heard.closed.forEach(({ opened, code, delay }, number) => {
            const longest = DELAYS[Math.min(number, 1)];
            assert.equal(opened, false);
            assert.equal(code, 1006);
            assert.ok(delay >= Math.floor(longest / 2) && delay <= longest, `${delay} of ${longest}`);
        });
        FakeSocket.made.at(-1).welcomes();
        FakeSocket.made.at(-1).drops();
        assert.ok(heard.closed.at(-1).delay <= DELAYS[0]);
        line.close();
    },
    "tries again when it cannot get an address": async () => {
        let asked = 0;
        const { line, heard } = await begun({}, async () => {
            if (++asked < 3) throw new Error("nobody there");
            return "wss://here/ws";
        });
        await until(() => FakeSocket.made.length === 1, "a socket");
        assert.deepEqual(heard.closed.map(({ error }) => error.message), ["nobody there", "nobody there"]);
        line.close();
    },
    "gives up when that is final": async () => {
        const { heard } = await begun({}, () => { throw Object.assign(new Error("no"), { final: true }); });
        await pause(20);
        assert.equal(FakeSocket.made.length, 0);
        assert.deepEqual(heard.closed.map(({ delay }) => delay), [null]);
    },
    "ends for good when told to": async () => {
        const { socket, line, heard } = await begun();
        socket.welcomes();
        line.close();
        assert.equal(socket.closed, 1000);
        assert.equal(line.publish("a", 1), false);
        socket.drops(1000);
        await pause(20);
        assert.equal(FakeSocket.made.length, 1);
        assert.deepEqual(heard.closed, []);
    },
    "can be ended between two attempts": async () => {
        const { socket, line } = await begun();
        socket.drops();
        line.close();
        await pause(20);
        assert.equal(FakeSocket.made.length, 1);
    },
};

for (const [name, play] of Object.entries(CASES)) {
    await play();
    console.log(`ok: ${name}`);
}
