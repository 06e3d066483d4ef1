// Flash messages above the record, and the modal that maintenance puts over everything.

const flashes = document.getElementById("flashes");
const modal = document.getElementById("modal");
let blocked = false;

/**
 * Shows a flash message: kind "success" (goes by itself), "warning" or "error" (stay until closed).
 * action: {text, run}, a link at its end. A message with the same key takes the place of the one before.
 */
export function flash(kind, text, { key = text, action = null } = {}) {
    unflash(key);
    const box = element("div", `flash ${kind}`);
    box.dataset.key = key;
    box.dataset.testid = `flash-${kind}`;
    box.setAttribute("role", kind === "success" ? "status" : "alert");
    const words = element("p", "", text);
    if (action) {
        const link = element("button", "link", action.text);
        link.type = "button";
        link.dataset.testid = "flash-action";
        link.addEventListener("click", () => { box.remove(); action.run(); });
        words.append(" ", link);
    }
    const close = element("button", "flash-close");
    close.type = "button";
    close.setAttribute("aria-label", "Close this message");
    close.append(icon("i-close"));
    close.addEventListener("click", () => box.remove());
    box.append(words, close);
    flashes.append(box);
    while (flashes.children.length > 4) flashes.firstElementChild.remove();
    if (kind === "success") setTimeout(() => box.remove(), 6000);
}

/** Takes a message away; without a key, all of them. */
export function unflash(key) {
    for (const box of [...flashes.children]) if (key === undefined || box.dataset.key === key) box.remove();
}

/** Blocks the page, or frees it. There is no way for the user to close the notice. */
export function block(on) {
    blocked = on;
    if (on && !modal.open) {
        modal.showModal();
        modal.focus();
    } else if (!on && modal.open) {
        modal.close();
    }
}

modal.addEventListener("cancel", (event) => event.preventDefault());
modal.addEventListener("keydown", (event) => { if (event.key === "Escape") event.preventDefault(); });
// Some browsers close a dialog at the second Escape whatever a page says.
modal.addEventListener("close", () => block(blocked));

/** A new element with a class and a text. */
export function element(name, className = "", text = "") {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
}

/** One of the page's icons. */
export function icon(id) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    svg.setAttribute("aria-hidden", "true");
    use.setAttribute("href", `#${id}`);
    svg.append(use);
    return svg;
}
