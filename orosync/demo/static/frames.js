// The panel of raw frames: direction, time and text, the newest last; a bounded number of them.

import { element } from "./notices.js";

const MOST = 200;
const LONGEST = 600;
const KINDS = { 0: "WELCOME", 1: "PREFIX", 2: "CALL", 3: "CALLRESULT", 4: "CALLERROR", 5: "SUBSCRIBE", 6: "UNSUBSCRIBE", 7: "PUBLISH", 8: "EVENT" };
const SIGNS = { in: ["\u2193", "received"], out: ["\u2191", "sent"], line: ["\u2022", "connection"] };

const list = document.getElementById("frames");
const count = document.getElementById("frames-count");
const direction = document.getElementById("frames-direction");
const filter = document.getElementById("frames-filter");
let following = true;
let position = 0;

/** Adds a frame ("in", "out"), or a word about the connection itself ("line"). */
export function show(way, text) {
    const [sign, meaning] = SIGNS[way];
    const row = element("div", `frame ${way}`);
    row.dataset.way = way;
    const mark = element("b", "", sign);
    mark.title = meaning;
    mark.setAttribute("role", "img");
    mark.setAttribute("aria-label", meaning);
    const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}\u2026` : text;
    row.append(element("time", "", now()), mark, element("span", "kind", way === "line" ? "" : kind(text)), element("code", "", cut));
    list.append(row);
    while (list.children.length > MOST) list.firstElementChild.remove();
    applyFilter(row);
    tally();
    follow();
}

/** The newest stay in sight, unless the reader has scrolled back. */
function follow() {
    if (following) list.scrollTop = list.scrollHeight;
}

function kind(text) {
    const type = /^\[(\d)[,\]]/.exec(text);
    return type ? KINDS[type[1]] ?? "" : "TEXT";
}

function now() {
    const time = new Date();
    return `${time.toLocaleTimeString("en-GB")}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

function applyFilter(row) {
    const words = filter.value.trim().toLowerCase();
    const wrongWay = direction.value && row.dataset.way !== direction.value;
    row.hidden = Boolean(wrongWay || (words && !row.textContent.toLowerCase().includes(words)));
}

function tally() {
    const shown = [...list.children].filter((row) => !row.hidden).length;
    count.textContent = shown === list.children.length ? `${shown}` : `${shown} of ${list.children.length}`;
}

function again() {
    for (const row of list.children) applyFilter(row);
    tally();
    follow();
}

list.addEventListener("scroll", () => {
    // Only a reader scrolls back; new rows and a smaller panel leave the position where it was.
    if (list.scrollHeight - list.scrollTop - list.clientHeight < 40) following = true;
    else if (list.scrollTop < position) following = false;
    position = list.scrollTop;
});
new ResizeObserver(follow).observe(list);

direction.addEventListener("change", again);
filter.addEventListener("input", again);
document.getElementById("frames-clear").addEventListener("click", () => {
    list.replaceChildren();
    tally();
});
