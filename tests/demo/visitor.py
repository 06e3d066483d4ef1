"""A visitor for the tests of the demonstration: keeps cookies as a browser does, and hears what is published."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.task import Clock
from zope.interface import implementer

from orosync.demo.endpoints import Endpoints, HttpAnswer, HttpCall, token_cookie
from orosync.interfaces import IPublisher
from orosync.model import User

ANNA = User(1, "anna", "hash-of-anna")
BEN = User(2, "ben", "hash-of-ben")
SECRET = "secret-of-the-application"


@implementer(IPublisher)
class Ears:
    """Keeps what is published as (topic, args)."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Sequence[Any]]] = []

    def publish(
        self,
        topic: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        eligible: Sequence[int] | None = None,
    ) -> int:
        self.heard.append((topic, args))
        return 0


def application(publisher: IPublisher | None = None, clock: Clock | None = None) -> Endpoints:
    """The demonstration with Anna and Ben."""
    clock = clock or Clock()
    return Endpoints(publisher or Ears(), [ANNA, BEN], SECRET, clock, clock.seconds)


class Visitor:
    """One browser; a window of ``user`` once logged in. ``secure``: the page came over TLS."""

    def __init__(self, endpoints: Endpoints, secure: bool = True) -> None:
        self.endpoints = endpoints
        self.secure = secure
        self.cookies: dict[str, str] = {}
        self.user = ""

    def call(self, method: str, path: str, body: object = None, **headers: str) -> HttpAnswer:
        """Ask as the page does; ``headers`` come on top ("x_demo_user" is X-Demo-User)."""
        own = {
            "content-type": "application/json",
            "x-demo-user": self.user,
            "x-csrf-header": self.cookies.get(token_cookie(self.secure), ""),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.endpoints.answer(HttpCall(method, path, own, dict(self.cookies), data, self.secure))
        for cookie in answer.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            if "Max-Age=0" in cookie:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Status and decoded JSON."""
        answer = self.call(method, path, body, **headers)
        return answer.status, json.loads(answer.body)

    def log_in(self, user: str) -> Visitor:
        """Open the page and choose ``user``."""
        self.call("GET", "/")
        self.user = user
        status, told = self.ask("POST", "/login", {"user": user})
        assert status == 200, told
        return self
