// A minimal WAMP v2 client in JSON: a connection that reconnects by itself, events, calls.
//
//     const wamp = new Wamp({realm: "market", user: "anna", joined, state});
//
// `joined(wamp)` is called each time the session is joined: subscribe there. `state(word)` is called with "connecting",
// "open", "lost" and "refused". Requests return promises; a denied request rejects its promise with a WampError.

const HELLO = 1, WELCOME = 2, ABORT = 3, GOODBYE = 6, ERROR = 8, PUBLISH = 16, PUBLISHED = 17, SUBSCRIBE = 32,
    SUBSCRIBED = 33, UNSUBSCRIBE = 34, UNSUBSCRIBED = 35, EVENT = 36, CALL = 48, RESULT = 50;
const ROLES = {publisher: {}, subscriber: {features: {publisher_identification: true}}, caller: {}};
const SHORTEST = 500, LONGEST = 10000;

export class WampError extends Error {
    constructor(uri, words) {
        super(words || uri);
        this.uri = uri;
    }
}

export class Wamp {
    #options; #socket = null; #open = false; #left = false; #wait = SHORTEST; #timer = 0;
    session = 0;
    #requests = new Map(); #handlers = new Map(); #next = 1;

    constructor(options) {
        this.#options = options;
        this.#connect();
    }

    // Calls `handler(args, kwargs, details, publication)` for each event. Resolves with an object whose `end()` unsubscribes.
    async subscribe(topic, handler, options = {}) {
        const id = await this.#ask(SUBSCRIBE, options, topic);
        this.#handlers.set(id, handler);
        return {end: () => {
            this.#handlers.delete(id);
            return this.#ask(UNSUBSCRIBE, id).catch(() => {});
        }};
    }

    // Resolves when the router has accepted it.
    publish(topic, args = [], options = {}) {
        return this.#ask(PUBLISH, {acknowledge: true, ...options}, topic, args);
    }

    // Resolves with the first value of the result.
    call(procedure, ...args) {
        return this.#ask(CALL, {}, procedure, args);
    }

    close() {
        this.#left = true;
        clearTimeout(this.#timer);
        this.#socket?.close(1000);
    }

    #connect() {
        this.#options.state?.("connecting");
        const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
        const socket = this.#socket = new WebSocket(url, ["wamp.2.json"]);
        socket.onopen = () => {
            const {realm, user} = this.#options;
            this.#send([HELLO, realm, {roles: ROLES, authid: user, authmethods: ["demo"]}]);
        };
        socket.onmessage = ({data}) => this.#received(JSON.parse(data));
        socket.onclose = () => this.#lost();
    }

    #send(message) {
        this.#socket.send(JSON.stringify(message));
    }

    #ask(kind, ...rest) {
        if (!this.#open) return Promise.reject(new WampError("not_connected", "There is no connection at the moment."));
        const request = this.#next++;
        this.#send([kind, request, ...rest]);
        return new Promise((fulfil, reject) => this.#requests.set(request, {fulfil, reject}));
    }

    #settle(request, how, value) {
        const waiting = this.#requests.get(request);
        this.#requests.delete(request);
        waiting?.[how](value);
    }

    #received(message) {
        switch (message[0]) {
            case WELCOME:
                this.#open = true;
                this.session = message[1];
                this.#wait = SHORTEST;
                this.#options.state?.("open");
                this.#begin(message[2]);
                break;
            case EVENT:
                this.#handlers.get(message[1])?.(message[4] ?? [], message[5] ?? {}, message[3], message[2]);
                break;
            case SUBSCRIBED: case PUBLISHED: this.#settle(message[1], "fulfil", message[2]); break;
            case UNSUBSCRIBED: this.#settle(message[1], "fulfil"); break;
            case RESULT: this.#settle(message[1], "fulfil", message[3]?.[0]); break;
            case ERROR: this.#settle(message[2], "reject", new WampError(message[4], message[5]?.[0])); break;
            case ABORT:
                this.#left = true;
                this.#options.state?.("refused", new WampError(message[2], message[1].message));
                break;
            case GOODBYE: this.#send([GOODBYE, {}, "wamp.close.goodbye_and_out"]); break;
        }
    }

    async #begin(details) {
        try {
            await this.#options.joined?.(this, details);
        } catch (error) {
            // Lost again meanwhile: it will be called again.
            if (error.uri !== "connection_lost" && error.uri !== "not_connected") throw error;
        }
    }

    #lost() {
        this.#open = false;
        this.#handlers.clear();
        for (const request of [...this.#requests.keys()]) {
            this.#settle(request, "reject", new WampError("connection_lost", "The connection was lost."));
        }
        if (this.#left) return;
        this.#options.state?.("lost");
        // A random delay, so that not all pages reconnect at the same moment.
        this.#timer = setTimeout(() => this.#connect(), this.#wait * (0.5 + Math.random() / 2));
        this.#wait = Math.min(this.#wait * 2, LONGEST);
    }
}
