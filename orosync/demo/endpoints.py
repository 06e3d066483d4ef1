"""The demonstration's HTTP endpoints: requests as values in, answers out, notifications published on the way.

They follow Oro where a browser or the router could tell the difference: the ticket exchange with its double-submit CSRF
rule (SyncBundle/Controller/TicketController.php), the content tags, the maintenance message, and that during
maintenance the application serves only the user who switched it on.

One browser may show a window for each user at once. So there is a session cookie for each user, and a window says which
user it is (``X-Demo-User``); the cookie decides whether that is true.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from hmac import compare_digest
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime

from orosync.clocks import Now
from orosync.demo import data
from orosync.demo.data import ENTITY, DemoSessions, Record, Records
from orosync.demo.loopback import is_loopback_host
from orosync.identity.ticket import date_c, make_ticket
from orosync.interfaces import IPublisher
from orosync.model import User
from orosync.notifications import data_update, maintenance
from orosync.transport.static_pages import PROTECTION, read_pages

JSON = "application/json; charset=utf-8"
STATIC = Path(__file__).with_name("static")
"""The page and its parts, read once at the start."""

LONGEST_BODY = 16384
SOCKET_PATH = "/ws"


@attrs.frozen
class HttpAnswer:
    """One HTTP response. ``headers`` come on top of ``protective_headers``; ``cookies`` are whole Set-Cookie values."""

    status: int
    body: bytes = attrs.field(repr=False)
    content_type: str = JSON
    headers: Mapping[str, str] = attrs.field(factory=dict)
    cookies: tuple[str, ...] = attrs.field(default=(), repr=False)


class Problem(Exception):
    """A request that cannot be answered as asked: ``status`` and ``sentence`` say so to the client."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = dict(headers or {})

    def answer(self) -> HttpAnswer:
        """As a response: ``{"error": sentence}``."""
        return as_json({"error": self.sentence}, self.status, headers=self.headers)


def as_json(
    value: object, status: int = 200, *, headers: Mapping[str, str] | None = None, cookies: tuple[str, ...] = ()
) -> HttpAnswer:
    """``value`` as the body of a response."""
    return HttpAnswer(status, json.dumps(value).encode(), headers=dict(headers or {}), cookies=cookies)


def protective_headers(host: str | None, secure: bool) -> dict[str, str]:
    """Headers of every response: no caching, no framing, no guessed content types, nothing from other servers.

    ``host`` is the request's Host; if it is this machine's, its WebSocket is named too, since not every browser takes
    'self' for it.
    """
    scheme = "wss" if secure else "ws"
    sockets = f"'self' {scheme}://{host}" if host is not None and is_loopback_host(host) else "'self'"
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        f"connect-src {sockets}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {
        **PROTECTION,
        "Cache-Control": "no-store",
        "Content-Security-Policy": "; ".join(policy),
    }


@attrs.frozen
class HttpCall:
    """One HTTP request. Header names are lower case; ``path`` is decoded and has no query."""

    method: str
    path: str
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    cookies: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)
    secure: bool = True


class Endpoints:
    """The application. ``publisher`` publishes into the realm; ``secret`` signs tickets as Oro's kernel secret does."""

    def __init__(
        self,
        publisher: IPublisher,
        users: Iterable[User] | Mapping[Any, User],
        secret: str,
        clock: IReactorTime,
        now: Now,
    ) -> None:
        self._publisher = publisher
        self._people = data.People(users)
        self._secret = secret
        self._now = now
        self._sessions = DemoSessions(clock)
        self._records = Records()
        self._maintained_by: User | None = None
        self._files = read_pages([STATIC])
        number = "([1-9][0-9]{0,8})"
        self._routes: tuple[tuple[re.Pattern[str], dict[str, Callable[..., HttpAnswer]]], ...] = tuple(
            (re.compile(path), methods)
            for path, methods in (
                ("/", {"GET": self._page}),
                ("/static/([a-z0-9_.-]{1,60})", {"GET": self._file}),
                ("/session", {"GET": self._session}),
                ("/login", {"POST": self._login}),
                ("/logout", {"POST": self._logout}),
                ("/sync/ticket", {"POST": self._ticket}),
                ("/record", {"GET": self._list}),
                (f"/record/{number}", {"GET": self._read, "POST": self._save}),
                ("/maintenance", {"POST": self._switch}),
            )
        )

    def answer(self, call: HttpCall) -> HttpAnswer:
        """Answer ``call``; whatever is wrong with it is answered with ``{"error": sentence}``."""
        try:
            for pattern, methods in self._routes:
                found = pattern.fullmatch(call.path)
                if found is not None:
                    method = "GET" if call.method == "HEAD" else call.method
                    if method not in methods:
                        raise Problem(405, "This address does not take that method.", {"Allow": ", ".join(methods)})
                    if method == "POST":
                        self._check_token(call)
                    return methods[method](call, *found.groups())
            raise Problem(404, "There is nothing at this address.")
        except Problem as problem:
            return problem.answer()

    # -- the page

    def _page(self, call: HttpCall) -> HttpAnswer:
        page = self._files["/"]
        cookies: tuple[str, ...] = ()
        name = token_cookie(call.secure)
        if not call.cookies.get(name):
            # Not HttpOnly: the page has to read it to send it back in a header.
            cookies = (f"{name}={secrets.token_hex(16)}; {_attributes(call.secure, script=True)}",)
        return HttpAnswer(200, page.body, page.content_type, cookies=cookies)

    def _file(self, call: HttpCall, name: str) -> HttpAnswer:
        file = self._files.get(f"/{name}")
        if file is None:
            raise Problem(404, "There is no such file.")
        return HttpAnswer(200, file.body, file.content_type)

    def _session(self, call: HttpCall) -> HttpAnswer:
        user = self._user(call)
        return as_json(
            {
                "users": self._people.shown(),
                "user": None if user is None else data.shown(user),
                "maintenance": self._maintenance(),
                "socket": SOCKET_PATH,
            }
        )

    # -- authentication

    def _login(self, call: HttpCall) -> HttpAnswer:
        username = _object(call).get("user")
        user = self._people.find(username) if isinstance(username, str) else None
        if user is None:
            raise Problem(400, "There is no such demo user.")
        old = call.cookies.get(session_cookie(user, call.secure))
        if old is not None:
            self._sessions.close(old)
        token = self._sessions.open(user.username)
        cookie = f"{session_cookie(user, call.secure)}={token}; {_attributes(call.secure, script=False)}"
        return as_json({"user": data.shown(user)}, cookies=(cookie,))

    def _logout(self, call: HttpCall) -> HttpAnswer:
        user = self._user(call)
        if user is None:
            return as_json({"user": None})
        name = session_cookie(user, call.secure)
        self._sessions.close(call.cookies[name])
        gone = f"{name}=; {_attributes(call.secure, script=False)}; Max-Age=0"
        return as_json({"user": None}, cookies=(gone,))

    def _ticket(self, call: HttpCall) -> HttpAnswer:
        user = self._served(call)
        created = date_c(int(self._now()))
        nonce = secrets.token_hex(8)
        return as_json({"ticket": make_ticket(user.username, user.password_hash, self._secret, nonce, created)})

    def _user(self, call: HttpCall) -> User | None:
        user = self._people.find(call.headers.get("x-demo-user", ""))
        if user is None:
            return None
        token = call.cookies.get(session_cookie(user, call.secure))
        return user if token is not None and self._sessions.who(token) == user.username else None

    def _served(self, call: HttpCall) -> User:
        user = self._user(call)
        if user is None:
            raise Problem(401, "You are not logged in: choose a demo user first.")
        if self._maintained_by is not None and self._maintained_by.id != user.id:
            raise Problem(503, "The application is under maintenance.", {"Retry-After": "5"})
        return user

    def _check_token(self, call: HttpCall) -> None:
        cookie = call.cookies.get(token_cookie(call.secure), "")
        header = call.headers.get("x-csrf-header", "")
        if not cookie or not compare_digest(cookie.encode(), header.encode()):
            raise Problem(403, "Invalid CSRF token: reload the page.")

    # -- the record

    def _list(self, call: HttpCall) -> HttpAnswer:
        self._served(call)
        return as_json({"records": [{"id": one.id, "name": one.fields["name"]} for one in self._records.all()]})

    def _read(self, call: HttpCall, number: str) -> HttpAnswer:
        self._served(call)
        return as_json(self._shown(self._found(number)))

    def _save(self, call: HttpCall, number: str) -> HttpAnswer:
        user = self._served(call)
        record = self._found(number)
        try:
            record = self._records.save(record.id, _object(call), user.username, self._now())
        except ValueError as error:
            raise Problem(422, str(error)) from None
        tags = data_update.changed(ENTITY, record.id, username=user.username)
        self._publisher.publish(data_update.TOPIC, [tags])
        return as_json(self._shown(record))

    def _found(self, number: str) -> Record:
        record = self._records.find(int(number))
        if record is None:
            raise Problem(404, "There is no such account.")
        return record

    def _shown(self, record: Record) -> dict[str, object]:
        saver = None if record.saved_by is None else self._people.find(record.saved_by)
        return {
            "id": record.id,
            "fields": record.fields,
            "version": record.version,
            "savedBy": None if saver is None else data.shown(saver)["name"],
            "savedAt": record.saved_at,
            "tags": [data_update.entity_tag(ENTITY, record.id)],
        }

    # -- maintenance

    def _switch(self, call: HttpCall) -> HttpAnswer:
        user = self._served(call)
        on = _object(call).get("on")
        if not isinstance(on, bool):
            raise Problem(422, 'Say {"on": true} or {"on": false}.')
        self._maintained_by = user if on else None
        self._publisher.publish(maintenance.TOPIC, [{"isOn": on, "userId": user.id}])
        return as_json(self._maintenance())

    def _maintenance(self) -> dict[str, object]:
        by = self._maintained_by
        return {"isOn": by is not None, "userId": None if by is None else by.id}


def session_cookie(user: User, secure: bool) -> str:
    """The name of ``user``'s session cookie. Browsers take a __Host- cookie for this very host only, and over TLS.
    Without TLS it has another name: a browser would keep neither that prefix nor the attribute ``Secure``."""
    return f"__Host-demo-session-{user.id}" if secure else f"demo-session-{user.id}"


def token_cookie(secure: bool) -> str:
    """The name of the CSRF cookie, as Symfony has it."""
    return "https-_csrf" if secure else "_csrf"


def _attributes(secure: bool, *, script: bool) -> str:
    """A cookie's attributes. ``script``: the page may read it."""
    parts = ("Path=/", "" if script else "HttpOnly", "Secure" if secure else "", "SameSite=Strict")
    return "; ".join(part for part in parts if part)


def _object(call: HttpCall) -> dict[str, object]:
    """The body, which has to be one JSON object."""
    if call.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "Send JSON (Content-Type: application/json).")
    if len(call.body) > LONGEST_BODY:
        raise Problem(413, f"The request is longer than {LONGEST_BODY} bytes.")
    try:
        value = json.loads(call.body)
    except (ValueError, RecursionError):
        raise Problem(400, "The request is not JSON.") from None
    if not isinstance(value, dict):
        raise Problem(400, "The request is not a JSON object.")
    return value
