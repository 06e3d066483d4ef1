// The demonstration's story: who this window is, the record, maintenance, a topic that is none of ours, and the connection.

import * as frames from "./frames.js";
import { block, element, flash } from "./notices.js";
import * as record from "./record.js";
import { ask, Refusal, speakAs } from "./requests.js";
import { connect } from "./wamp1.js";

const REMEMBERED = "orosync-demo-user";
const at = (id) => document.getElementById(id);

let socketPath = "/ws";
let me = null;
let other = null;
let line = null;

// -- who this window is

async function start() {
    const chosen = new URLSearchParams(location.search).get("as");
    if (chosen) {
        // The link to the other user's window: once followed, the address is like any other.
        history.replaceState(null, "", `/${location.hash}`);
        await choose(chosen);
        return;
    }
    speakAs(sessionStorage.getItem(REMEMBERED) ?? "");
    const session = await ask("GET", "/session");
    if (session.user) await enter(session); else offer(session.users);
}

function offer(users, sentence = "") {
    const cards = users.map((user) => {
        const card = element("button", "user");
        card.type = "button";
        card.dataset.testid = `choose-${user.username}`;
        const words = element("span", "user-words");
        words.append(element("b", "", user.name), element("small", "", user.title));
        const face = element("span", "avatar", user.initials);
        face.setAttribute("aria-hidden", "true");
        face.dataset.tone = user.id % 2;
        card.append(face, words);
        card.addEventListener("click", () => choose(user.username));
        return card;
    });
    at("users").replaceChildren(...cards);
    at("choice-error").textContent = sentence;
    at("application").hidden = true;
    at("choice").hidden = false;
    document.title = "orosync demonstration";
}

async function choose(username) {
    try {
        await logIn(username);
        await enter(await ask("GET", "/session"));
    } catch (error) {
        offer((await ask("GET", "/session")).users, error.message);
    }
}

async function logIn(username) {
    speakAs(username);
    await ask("POST", "/login", { user: username });
    sessionStorage.setItem(REMEMBERED, username);
}

async function enter({ user, users, maintenance, socket }) {
    me = user;
    other = users.find(({ id }) => id !== me.id) ?? me;
    socketPath = socket;
    at("me-initials").textContent = me.initials;
    at("me-initials").dataset.tone = me.id % 2;
    at("me-name").textContent = me.name;
    at("me-title").textContent = me.title;
    at("other-window").href = `/?as=${encodeURIComponent(other.username)}${location.hash}`;
    at("other-window").querySelector("span").textContent = `Open a window as ${first(other)}`;
    at("other-window").setAttribute("aria-label", `Open a window as ${first(other)}`);
    at("foreign-name").textContent = first(other);
    at("foreign-topic").textContent = foreignTopic();
    for (const name of document.querySelectorAll(".other-name")) name.textContent = first(other);
    at("choice").hidden = true;
    at("application").hidden = false;
    under(maintenance);
    reconnect();
    await show();
}

const first = (user) => user.name.split(" ")[0];

async function logOut() {
    await ask("POST", "/logout").catch(() => null);
    line?.close();
    line = null;
    sessionStorage.removeItem(REMEMBERED);
    speakAs("");
    block(false);
    offer((await ask("GET", "/session")).users);
}

// -- the connection

function reconnect() {
    line?.close();
    status("reconnecting", "Connecting");
    line = connect(address, {
        onopen: ({ session, server }) => {
            status("connected", "Connected");
            frames.show("line", `connected to ${server}, session ${session}`);
            if (!record.isShown()) show();
        },
        onclose: lost,
        onframe: frames.show,
        onrefused: refused,
    });
    line.subscribe("oro/ping", () => null);
    line.subscribe("oro/data/update", (tags) => record.outdated(tags, me.username));
    line.subscribe("oro/maintenance", (notice) => maintained(notice));
    line.subscribe(`oro/email_event/${me.id}/*`, () => flash("success", "You have new mail"));
}

async function address() {
    let ticket;
    try {
        ({ ticket } = await ask("POST", "/sync/ticket"));
    } catch (error) {
        // After a restart no user is logged in any more; in the demonstration a click was all it took.
        if (!(error instanceof Refusal) || error.status !== 401) throw error;
        await logIn(me.username);
        ({ ticket } = await ask("POST", "/sync/ticket"));
    }
    const socket = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${socketPath}`;
    frames.show("line", `connecting to ${socket}?ticket=\u2026`);
    return `${socket}?ticket=${encodeURIComponent(ticket)}`;
}

function lost({ opened, error, delay }) {
    // An answer to the ticket, yet no WELCOME: the router does not want us. It says no more than that.
    const unwanted = error === null ? !opened : error instanceof Refusal && error.status !== 503;
    if (unwanted) status("refused", "Refused");
    else status("reconnecting", "Reconnecting");
    const why = error?.message.replace(/\.$/, "") ?? (opened ? "connection lost" : "not let in");
    frames.show("line", `${why}; next attempt in ${(delay / 1000).toFixed(1)} s`);
    if (error instanceof Refusal && error.status === 503) block(true);
}

function status(state, words) {
    at("status").dataset.state = state;
    at("status-text").textContent = words;
}

// -- the record

async function show() {
    try {
        await record.load(record.wanted());
        await record.loadList();
    } catch (error) {
        if (!(error instanceof Refusal && error.status === 503)) flash("error", error.message);
    }
}

at("record").addEventListener("submit", async (event) => {
    event.preventDefault();
    at("save").disabled = true;
    try {
        await record.save();
    } catch (error) {
        flash("error", error.message, { key: "save" });
    } finally {
        at("save").disabled = false;
    }
});
at("cancel").addEventListener("click", () => record.refresh());
window.addEventListener("hashchange", () => {
    if (!me) return;
    at("other-window").href = `/?as=${encodeURIComponent(other.username)}${location.hash}`;
    show();
});

// -- maintenance

function under({ isOn, userId }) {
    at("maintenance").setAttribute("aria-checked", String(isOn));
    at("maintenance-state").textContent = isOn ? "On" : "Off";
    block(isOn && userId !== me.id);
}

async function maintained(notice) {
    // Oro's rule. A user id of null is the command line, or the router telling a newcomer how things stand.
    const blocking = notice.isOn && notice.userId !== me.id;
    block(blocking);
    if (blocking) return;
    under((await ask("GET", "/session")).maintenance);
    if (!record.isShown()) show();
}

at("maintenance").addEventListener("click", async () => {
    try {
        under(await ask("POST", "/maintenance", { on: at("maintenance").getAttribute("aria-checked") !== "true" }));
    } catch (error) {
        flash("error", error.message);
    }
});

// -- a topic that is none of ours

const foreignTopic = () => `oro/email_event/${other.id}/*`;

at("forbidden").addEventListener("click", () => {
    at("refusal").hidden = true;
    line.unsubscribe(foreignTopic());
    line.subscribe(foreignTopic(), () => flash("error", "This event was not for you"));
});

function refused(topic, text) {
    const box = at("refusal");
    box.replaceChildren(element("b", "", "Refused."), " ", text);
    box.hidden = false;
}

at("logout").addEventListener("click", logOut);
start().catch((error) => offer([], `The demonstration does not answer: ${error.message}`));
