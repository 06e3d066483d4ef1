"""The operations listener's pages: /healthz, /readyz, /metrics and /status.

It is meant for this machine alone (loopback or a UNIX socket): it asks nobody who they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from orosync import registry
from orosync.errors import ConfigError
from orosync.metrics import Metric, Snapshot
from orosync.ops.exposition import CONTENT_TYPE, exposition
from orosync.ops.health import Report

TIMEOUT = 30
"""Seconds for a request to arrive, and between two requests of one connection."""

_log = Logger()


@attrs.frozen
class Operations:
    """What the pages show. Each is asked for every request, ``snapshot`` and ``status`` with a Deferred, because they
    may come from several processes."""

    health: Callable[[], Report]
    snapshot: Callable[[], Deferred[Snapshot]]
    metrics: Mapping[str, Metric]
    status: Callable[[], Deferred[dict[str, Any]]]


def answer_later(request: Request, body: Deferred[bytes], failed: Callable[[Failure], bytes]) -> int:
    """Answer with ``body`` when it fires, or with what ``failed`` makes of its failure. Once the client has gone,
    ``body`` is cancelled and nothing is sent."""
    request.notifyFinish().addErrback(lambda _: body.cancel())

    def send(body: bytes) -> None:
        if not request._disconnected:
            request.setHeader(b"content-length", b"%d" % len(body))
            request.write(body)
            request.finish()

    body.addErrback(lambda failure: b"" if request._disconnected else failed(failure)).addCallback(send)
    return NOT_DONE_YET


class _Page(Resource):
    """A page without children, which is never cached."""

    isLeaf = True
    content_type = b"text/plain; charset=utf-8"

    def __init__(self, operations: Operations) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = operations

    def render_GET(self, request: Request) -> bytes | int:
        request.setHeader(b"content-type", self.content_type)
        request.setHeader(b"cache-control", b"no-store")
        answer = self.answer(request)
        if isinstance(answer, bytes):
            if request.method == b"HEAD":  # Twisted would log one with a body
                request.setHeader(b"content-length", b"%d" % len(answer))
                return b""
            return answer

        def failed(failure: Failure) -> bytes:
            _log.failure("a page of [listen:ops] failed", failure=failure)
            request.setResponseCode(500)
            return b"failed, the log has the reason\n"

        return answer_later(request, answer, failed)

    def answer(self, request: Request) -> bytes | Deferred[bytes]:
        """The body."""
        raise NotImplementedError


class Alive(_Page):
    """GET /healthz: 200 as long as the reactor turns."""

    def answer(self, request: Request) -> bytes:
        return b"ok\n"


class Ready(_Page):
    """GET /readyz: 200 with "ready" or "degraded", 503 with "unready", and a line for each check that found a fault."""

    def answer(self, request: Request) -> bytes:
        report = self.operations.health()
        if not report.ready:
            request.setResponseCode(503)
        words = report.words()
        lines = [words["status"], *(f"{name}: {what}" for name, what in words["wrong"].items())]
        return "".join(f"{line}\n" for line in lines).encode()


class MetricsPage(_Page):
    """GET /metrics: for Prometheus."""

    content_type = CONTENT_TYPE

    def answer(self, request: Request) -> Deferred[bytes]:
        return self.operations.snapshot().addCallback(exposition, self.operations.metrics)


class Status(_Page):
    """GET /status: JSON."""

    content_type = b"application/json"

    def answer(self, request: Request) -> Deferred[bytes]:
        return self.operations.status().addCallback(_json)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"


class _Index(_Page):
    """GET /: where everything is."""

    isLeaf = False

    def getChild(self, path: bytes, request: Request) -> Resource:
        if path == b"":
            return self
        other: Resource = super().getChild(path, request)  # type: ignore[no-untyped-call]
        return other

    def answer(self, request: Request) -> bytes:
        return b"orosync: /healthz /readyz /metrics /status\n"


class QuietSite(Site):
    """Logs no request: probes and scrapes come every second."""

    noisy = False

    def log(self, request: object) -> None:
        """See Site."""


def operations_site(operations: Operations, clock: IReactorTime) -> QuietSite:
    """The site of the operations listener. Raises ConfigError without prometheus_client."""
    if find_spec("prometheus_client") is None:
        how = registry.how_to_install("metrics")
        raise ConfigError([f"[listen:ops] needs prometheus_client, which is not there, {how}"])
    root = _Index(operations)
    root.putChild(b"healthz", Alive(operations))
    root.putChild(b"readyz", Ready(operations))
    root.putChild(b"metrics", MetricsPage(operations))
    root.putChild(b"status", Status(operations))
    return QuietSite(root, reactor=clock, timeout=TIMEOUT)
