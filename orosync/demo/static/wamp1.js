// A WAMP v1 client for the browser: subscribe and publish over WebSocket, and come back by itself when the line drops.
// It speaks what Oro's own client speaks (subprotocol "wamp", arrays of JSON). It knows nothing of pages, users or tickets:
// `url` is asked anew for each attempt, so a fresh ticket is the caller's matter.

const WELCOME = 0, SUBSCRIBE = 5, UNSUBSCRIBE = 6, PUBLISH = 7, EVENT = 8;
const REFUSAL = /^You are not allowed to subscribe on topic "([^]*)"\.$/;
const DELAYS = [500, 1000, 2000, 4000, 8000, 15000];
const WELCOME_WITHIN = 10000;

/**
 * Connects at once, and again after every loss until close() is called.
 *
 * url: a string, or a function that returns one or a promise of one. If it throws, that counts as a lost connection,
 *      unless the error has a property `final`: then there is no further attempt.
 * onopen({session, server}), onclose({opened, code, error, delay}): `opened` tells whether there was a WELCOME, `delay`
 *      the milliseconds until the next attempt (null: none). onframe("in" | "out", text), for every frame.
 *      onrefused(topic, text): the router does not allow a subscription; it is forgotten.
 * WebSocket, delays: for tests and other tempers.
 */
export function connect(url, options = {}) {
    return new Connection(url, options);
}

class Connection {
    #url; #options; #delays; #socket = null; #welcomed = false; #closed = false; #attempt = 0; #timer = null;
    #topics = new Map();

    constructor(url, options) {
        this.#url = typeof url === "function" ? url : () => url;
        this.#options = options;
        this.#delays = options.delays ?? DELAYS;
        this.#open();
    }

    get connected() { return this.#welcomed; }

    /** Calls `callback(event, topic)` for each event. Several callbacks share one subscription, also across reconnects. */
    subscribe(topic, callback) {
        const callbacks = this.#topics.get(topic);
        if (callbacks) {
            callbacks.add(callback);
            return;
        }
        this.#topics.set(topic, new Set([callback]));
        if (this.#welcomed) this.#send([SUBSCRIBE, topic]);
    }

    /** Removes `callback`, or all of them; the router is sent an UNSUBSCRIBE when none is left. */
    unsubscribe(topic, callback) {
        const callbacks = this.#topics.get(topic);
        if (!callbacks) return;
        if (callback) callbacks.delete(callback); else callbacks.clear();
        if (callbacks.size) return;
        this.#topics.delete(topic);
        if (this.#welcomed) this.#send([UNSUBSCRIBE, topic]);
    }

    /** Sends an event, or returns false while there is no connection: nothing is kept for later. */
    publish(topic, event, excludeMe = true) {
        if (this.#welcomed) this.#send([PUBLISH, topic, event, excludeMe]);
        return this.#welcomed;
    }

    /** Ends the connection for good. */
    close() {
        this.#closed = true;
        this.#welcomed = false;
        clearTimeout(this.#timer);
        this.#socket?.close(1000);
        this.#socket = null;
    }

    async #open() {
        let url;
        try {
            url = await this.#url();
        } catch (error) {
            this.#lost({ error });
            return;
        }
        if (this.#closed) return;
        const socket = this.#socket = new (this.#options.WebSocket ?? WebSocket)(url, ["wamp"]);
        this.#timer = setTimeout(() => this.#ended(socket, {}), WELCOME_WITHIN);
        socket.onmessage = ({ data }) => { if (socket === this.#socket) this.#received(data); };
        socket.onclose = ({ code }) => this.#ended(socket, { code });
    }

    #ended(socket, why) {
        if (socket !== this.#socket) return;
        this.#socket = null;
        clearTimeout(this.#timer);
        socket.close();
        this.#lost(why);
    }

    #lost({ code = null, error = null }) {
        if (this.#closed) return;
        const opened = this.#welcomed;
        this.#welcomed = false;
        let delay = null;
        if (!error?.final) {
            // A router that restarts loses all its clients at once: they must not all come back at once.
            const longest = this.#delays[Math.min(this.#attempt++, this.#delays.length - 1)];
            delay = Math.round(longest * (0.5 + Math.random() / 2));
            this.#timer = setTimeout(() => this.#open(), delay);
        }
        this.#options.onclose?.({ opened, code, error, delay });
    }

    #send(message) {
        const text = JSON.stringify(message);
        this.#options.onframe?.("out", text);
        this.#socket.send(text);
    }

    #received(text) {
        this.#options.onframe?.("in", text);
        const refused = REFUSAL.exec(text);
        if (refused) {
            // Not JSON: it is what the stock server says, word for word.
            this.#topics.delete(refused[1]);
            this.#options.onrefused?.(refused[1], text);
            return;
        }
        let message;
        try { message = JSON.parse(text); } catch { return; }
        if (!Array.isArray(message)) return;
        const [type, subject, content] = message;
        if (type === WELCOME && !this.#welcomed) {
            clearTimeout(this.#timer);
            this.#welcomed = true;
            this.#attempt = 0;
            for (const topic of this.#topics.keys()) this.#send([SUBSCRIBE, topic]);
            this.#options.onopen?.({ session: subject, server: message[3] });
        } else if (type === EVENT) {
            for (const callback of [...this.#topics.get(subject) ?? []]) callback(content, subject);
        }
    }
}
