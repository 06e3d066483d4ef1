// Shared by the pages of the examples: elements by name, the choice of a user, the state of the connection.

export const PEOPLE = {anna: "Anna Novak", ben: "Ben Carter", carla: "Carla Rossi"};
const STATES = {connecting: "Connecting …", open: "Connected", lost: "Reconnecting …", refused: "Refused"};

// The element with that data-testid.
export const at = (name) => document.querySelector(`[data-testid="${name}"]`);

// An element with attributes; children are elements or text.
export function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
        else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children);
    return element;
}

export const initials = (user) => (PEOPLE[user] ?? user).split(" ").map((part) => part[0]).join("").slice(0, 2).toUpperCase();
export const named = (user) => PEOPLE[user] ?? user;

export function avatar(user, extra = {}) {
    const tone = Object.keys(PEOPLE).indexOf(user) + 1;
    return make("span", {class: "avatar", "data-tone": tone, "aria-hidden": true, ...extra}, initials(user));
}

export function showState(word) {
    const status = at("status");
    status.dataset.state = word;
    status.querySelector("span").textContent = STATES[word];
}

// Lets the visitor choose a user once, by ?user=anna or by a click. Calls `then(user)`.
export function choose(people, then) {
    const enter = (user) => {
        history.replaceState(null, "", `?user=${user}`);
        at("choice").hidden = true;
        at("application").hidden = false;
        at("me").replaceChildren(avatar(user), make("b", {}, named(user)));
        document.querySelectorAll("[data-other]").forEach((link) => {
            const other = people.find((one) => one !== user);
            link.href = `?user=${other}`;
            link.querySelector("span").textContent = `Open as ${named(other).split(" ")[0]}`;
        });
        then(user);
    };
    const given = new URLSearchParams(location.search).get("user");
    if (people.includes(given)) return enter(given);
    at("choice").hidden = false;
    at("people").replaceChildren(...people.map((user) => make(
        "button", {type: "button", class: "person", "data-testid": `choose-${user}`, onclick: () => enter(user)},
        avatar(user), make("span", {}, make("b", {}, named(user)), make("small", {}, user)),
    )));
}
