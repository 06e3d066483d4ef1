// The application's HTTP side: JSON in, JSON out, with the CSRF header and the name of this window's user.

const TOKEN = location.protocol === "https:" ? "https-_csrf" : "_csrf";

let username = "";

/** A request that was answered, but not as hoped: `status` 400 and up, `message` for the user. */
export class Refusal extends Error {
    constructor(status, message) {
        super(message);
        this.status = status;
    }
}

/** Whose window this is. The session cookie of that user decides whether it is true. */
export function speakAs(name) {
    username = name;
}

/** The answer's JSON. Throws Refusal, or TypeError if there is no answer. */
export async function ask(method, path, body) {
    const headers = { "X-Demo-User": username };
    if (method !== "GET") headers["X-CSRF-Header"] = cookie(TOKEN);
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const content = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Refusal(answer.status, content.error ?? `The server answered ${answer.status}.`);
    return content;
}

function cookie(name) {
    for (const pair of document.cookie.split("; ")) {
        const [key, ...value] = pair.split("=");
        if (key === name) return value.join("=");
    }
    return "";
}
