// The record page: one account in a form, and what to do when another user has changed it.

import { element, flash, unflash } from "./notices.js";
import { ask } from "./requests.js";

const OUTDATED = "outdated";
const form = document.getElementById("record");
const list = document.getElementById("accounts");

let record = null;

/** The number in the address (#account/12). */
export function wanted() {
    return Number(/^#account\/([1-9][0-9]{0,8})$/.exec(location.hash)?.[1] ?? 12);
}

/** Whether there is an account in the form. */
export function isShown() {
    return record !== null;
}

/** Fetches the account and shows it; what was typed is gone. */
export async function load(number) {
    record = await ask("GET", `/record/${number}`);
    unflash();
    fill();
}

/** Fetches the list for the side bar. Links that are there already stay, with the focus that they may have. */
export async function loadList() {
    const { records } = await ask("GET", "/record");
    for (const { id, name } of records) {
        let link = list.querySelector(`a[href="#account/${id}"]`);
        if (!link) {
            link = element("a");
            link.href = `#account/${id}`;
            link.dataset.testid = `account-${id}`;
            const item = element("li");
            item.append(link);
            list.append(item);
        }
        link.textContent = name;
    }
    mark();
}

/** Saves what was typed, then shows what became of it. */
export async function save() {
    const fields = Object.fromEntries(new FormData(form));
    record = await ask("POST", `/record/${record.id}`, fields);
    unflash(OUTDATED);
    fill();
    flash("success", "Account has been saved", { key: "saved" });
    await loadList();
}

/** Oro's content manager: tags of this user's own are passed over, of the others only those that this page carries count. */
export function outdated(tags, username) {
    const foreign = tags.filter((tag) => (tag.username || null) !== username);
    if (record && foreign.some((tag) => record.tags.includes(tag.tagname))) {
        flash("warning", `Content of \u201c${record.fields.name}\u201d page is outdated, please`, {
            key: OUTDATED,
            action: { text: "refresh the page", run: () => refresh() },
        });
    }
}

/** Fetches the account anew. */
export async function refresh() {
    try {
        await load(record?.id ?? wanted());
        await loadList();
    } catch (error) {
        flash("error", error.message);
    }
}

function fill() {
    for (const [name, value] of Object.entries(record.fields)) form.elements[name].value = value;
    document.getElementById("title").textContent = record.fields.name;
    document.getElementById("crumb").textContent = record.fields.name;
    document.getElementById("tag").textContent = record.tags[0];
    const when = record.savedAt && new Date(record.savedAt * 1000).toLocaleTimeString("en-GB");
    document.getElementById("saved").textContent = when
        ? `Version ${record.version}, saved by ${record.savedBy} at ${when}` : "Not changed since the start";
    document.title = `${record.fields.name} \u2013 orosync demonstration`;
    mark();
}

function mark() {
    for (const link of list.querySelectorAll("a")) {
        if (link.hash === `#account/${record?.id}`) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
    }
}
