"""The demonstration as a twisted.web resource: requests become ``HttpCall``, ``HttpAnswer`` becomes a
response.

Every path below it passes the loopback rule first, also what is mounted with ``putChild`` (the WebSocket).
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from orosync.demo.endpoints import HttpAnswer, HttpCall, Problem, protective_headers
from orosync.demo.loopback import refusal
from orosync.ops.site import answer_later


class DemoApplication(Resource):
    """The root of the demonstration's Site. ``answer`` is ``Endpoints.answer``, of this process or another one.

    ``putChild(b"ws", resource)`` mounts the WebSocket that the page connects to.
    """

    def __init__(self, answer: Callable[[HttpCall], HttpAnswer | Deferred[HttpAnswer]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._answer = answer

    def getChildWithDefault(self, path: bytes, request: Request) -> IResource:
        """The loopback rule, then what was mounted at ``path``, else the endpoints."""
        why_not = refusal(_headers(request))
        if why_not is not None:
            return _Leaf(Problem(403, why_not).answer())
        mounted: IResource | None = self.children.get(path)
        if mounted is not None:
            return mounted
        return _Leaf(self._answer(_call(request)))


class _Leaf(Resource):
    """One answer, whatever is left of the path."""

    isLeaf = True

    def __init__(self, answer: HttpAnswer | Deferred[HttpAnswer]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._answer = answer

    def render(self, request: Request) -> bytes | int:
        if isinstance(self._answer, HttpAnswer):
            return _rendered(request, self._answer)
        answer = self._answer.addErrback(lambda _: Problem(503, "Try again in a moment.").answer())
        return answer_later(request, answer.addCallback(lambda found: _rendered(request, found)), lambda _: b"")


def _rendered(request: Request, answer: HttpAnswer) -> bytes:
    request.setResponseCode(answer.status)
    host = request.requestHeaders.getRawHeaders("host", [None])[0]
    protection = protective_headers(host, bool(request.isSecure()))
    for name, value in {**protection, **answer.headers, "Content-Type": answer.content_type}.items():
        request.setHeader(name.encode("ascii"), value.encode("ascii"))
    for cookie in answer.cookies:
        request.responseHeaders.addRawHeader(b"set-cookie", cookie.encode("ascii"))
    if request.method != b"HEAD":
        return answer.body
    # Twisted would log the address of a HEAD request that is given a body.
    request.setHeader(b"content-length", b"%d" % len(answer.body))
    return b""


def _call(request: Request) -> HttpCall:
    content = request.content
    return HttpCall(
        method=_text(request.method),
        path=_text(request.path),
        headers=_headers(request),
        cookies={_text(name): _text(value) for name, value in request.received_cookies.items()},
        body=b"" if content is None else content.read(),
        secure=bool(request.isSecure()),
    )


def _headers(request: Request) -> dict[str, str]:
    """Lower-case names; a header that came more than once is joined, so that two Hosts are no host."""
    return {
        _text(name).lower(): ", ".join(_text(value) for value in values)
        for name, values in request.requestHeaders.getAllRawHeaders()
    }


def _text(raw: bytes) -> str:
    """Bytes of HTTP as text: whatever is not ASCII matches no address, name or token of ours."""
    return raw.decode("latin-1")
