// Chat rooms. A message is published by its author; the router adds the author's name (publisher_authid).

import {Wamp} from "/wamp.js";
import {at, avatar, choose, make, named, PEOPLE, showState} from "/page.js";

const rooms = new Map();
let wamp, me, current;

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit"});

function refused(error) {
    at("refusal").hidden = !error;
    at("refusal").textContent = error ? error.message : "";
}

// -- rendering

function drawDoors() {
    at("rooms").replaceChildren(...[...rooms.values()].map((room) => {
        const last = room.messages.at(-1);
        const words = last ? `${last.author === me ? "You" : named(last.author).split(" ")[0]}: ${last.text}` : "Nothing said yet";
        const inside = [make("span", {}, make("b", {}, `# ${room.name}`), make("small", {}, words))];
        if (room.unread) inside.push(make("em", {"aria-label": `${room.unread} new`}, String(room.unread)));
        return make("li", {}, make("button", {
            type: "button", class: "door", "data-testid": `room-${room.name}`, "aria-current": String(room === current),
            onclick: () => enter(room.name),
        }, ...inside));
    }));
}

function drawMembers() {
    at("members").replaceChildren(...current.members.map((member) => {
        const here = current.here.includes(member);
        return make("li", {
            class: here ? "here" : "", "data-testid": `member-${member}`, "data-here": String(here),
            title: `${named(member)}${here ? " is here" : ""}`,
        }, avatar(member), make("span", {class: "visually-hidden"}, `${named(member)}${here ? ", here now" : ""}`));
    }));
    const others = Object.keys(PEOPLE).filter((person) => !current.members.includes(person));
    at("invite").hidden = !others.length;
    at("invite").replaceChildren(make("option", {value: ""}, "Invite …"), ...others.map(
        (person) => make("option", {value: person}, named(person)),
    ));
}

function drawMessages() {
    let author = null;
    at("messages").replaceChildren(...current.messages.map((message) => {
        const again = message.author === author;
        author = message.author;
        return make("li", {
            class: `message${again ? " again" : ""}${message.author === me ? " mine" : ""}`,
            "data-testid": "message", "data-author": message.author,
        }, avatar(message.author), make("header", {}, make("b", {}, named(message.author)), clock(message.at)),
        make("div", {class: "bubble"}, message.text));
    }));
    at("messages").scrollTop = at("messages").scrollHeight;
}

function enter(name) {
    current = rooms.get(name);
    current.unread = 0;
    at("room").textContent = name;
    refused(null);
    drawDoors();
    drawMembers();
    drawMessages();
    at("text").focus();
}

// -- messages from the router

function add(room, message) {
    if (room.messages.some((known) => known.id === message.id)) return;
    room.messages.push(message);
    room.messages.sort((one, other) => one.at - other.at);
}

function heard(room, args, details, publication) {
    if (args.length !== 1 || typeof args[0] !== "string" || !details.publisher_authid) return;
    add(room, {id: publication, author: details.publisher_authid, text: args[0], at: Date.now() / 1000});
    if (room === current) drawMessages();
    else room.unread++;
    drawDoors();
}

async function refresh() {
    for (const {room: name, members} of await wamp.call("chat.rooms")) {
        const room = rooms.get(name) ?? {name, messages: [], here: [], unread: 0, connection: null};
        room.members = members;
        rooms.set(name, room);
        if (room.connection === wamp.session) continue;
        room.connection = wamp.session;
        await wamp.subscribe(`chat.room.${name}`, (args, _, details, id) => heard(room, args, details, id));
        for (const message of await wamp.call(`chat.history.${name}`)) add(room, message);
        await wamp.subscribe(`chat.presence.${name}`, ([{here, came, went}]) => {
            if (here) room.here = here;
            else room.here = came ? [...room.here, came] : room.here.filter((user) => user !== went);
            if (room === current) drawMembers();
        });
    }
    if (!current && rooms.size) enter([...rooms.keys()][0]);
    else if (current) [drawDoors, drawMembers, drawMessages].forEach((draw) => draw());
}

async function joined() {
    await wamp.subscribe(`chat.for.${me}`, refresh);
    await refresh();
}

const tried = (what) => async (event) => {
    event.preventDefault();
    try {
        refused(null);
        await what();
    } catch (error) {
        refused(error);
    }
};

at("say").addEventListener("submit", tried(async () => {
    const text = at("text").value.trim();
    if (!text || !current) return;
    // All members receive it at the same time and in the same order, including its author.
    await wamp.publish(`chat.room.${current.name}`, [text], {exclude_me: false});
    at("text").value = "";
}));
at("new-room-form").addEventListener("submit", tried(async () => {
    const name = await wamp.call("chat.open", at("new-room").value.trim());
    at("new-room").value = "";
    await refresh();
    enter(name);
}));
at("invite").addEventListener("change", tried(() => wamp.call("chat.invite", current.name, at("invite").value)));

choose(Object.keys(PEOPLE), (user) => {
    me = user;
    wamp = new Wamp({realm: "chat", user, state: showState, joined});
});
