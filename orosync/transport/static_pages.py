"""Pages of the administrator beside the WebSocket: the files of some directories, read once and served from memory.

A file that was not there when they were read is never served, whatever path is requested. Names that begin with a dot
and symbolic links are skipped.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import CACHED
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from twisted.web.static import NoRangeStaticProducer

CONTENT_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
OTHER = "application/octet-stream"
INDEX = "index.html"

MOST = 64 * 1024 * 1024
"""Bytes that all the files of a listener may have together: they stay in memory."""

LARGE = 64 * 1024
"""Bytes beyond which a file is sent as fast as the client reads, not at once."""

GRACE, SLOWEST = 30.0, 16 * 1024
"""Seconds, and bytes a second: a client that takes longer for a large file is cut off; connections are limited."""

PROTECTION: Mapping[str, str] = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "orosync",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of all pages: no framing, no guessed content types, no referrer."""

HEADERS: Mapping[str, str] = {
    **PROTECTION,
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
}
"""Headers of every response; besides, nothing is loaded from other servers."""


@attrs.frozen
class StaticPage:
    """One file as it is served."""

    content_type: str
    etag: str
    body: bytes = attrs.field(repr=False)


def read_pages(directories: Iterable[Path]) -> dict[str, StaticPage]:
    """Every file by its path in a URL ("/", "/style.css", "/sub/"); of equal paths the first directory's.

    Raises ValueError, in words that complete "pages: ...", for a file that cannot be read and for too much of them.
    """
    found: dict[str, StaticPage] = {}
    size = 0
    for directory in directories:
        for path in _files(directory):
            url = "/" + path.relative_to(directory).as_posix()
            try:
                body = path.read_bytes()
            except OSError as error:
                raise ValueError(f"{path} cannot be read ({error.strerror}), correct its rights") from None
            size += len(body)
            if size > MOST:
                raise ValueError(f"{directory} has more than {MOST >> 20} MiB, serve so much by another server")
            etag = hashlib.sha256(body).hexdigest()[:32]
            page = StaticPage(CONTENT_TYPES.get(path.suffix.lower(), OTHER), etag, body)
            found.setdefault(url, page)
            if path.name == INDEX:
                found.setdefault(url.removesuffix(INDEX), page)
    return found


def _files(directory: Path) -> Iterable[Path]:
    """Plain files below a directory, in order."""
    for place, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path


class StaticPages(Resource):
    """The root of a site: ``directories`` as they were when ``read`` was called last. Raises as ``read_pages``.

    ``clock`` limits how long a client may take.
    """

    isLeaf = True

    def __init__(self, directories: Iterable[Path], clock: IReactorTime) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._directories = tuple(directories)
        self._clock = clock
        self._pages = read_pages(self._directories)

    def read(self) -> bool:
        """Read all files anew; what cannot be read leaves everything as it was. Whether any has changed."""
        before, self._pages = self._pages, read_pages(self._directories)
        return before != self._pages

    def render(self, request: Request) -> bytes | int:
        """Answer GET and HEAD; 405 for other methods."""
        for name, value in HEADERS.items():
            request.setHeader(name.encode(), value.encode())
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader(b"allow", b"GET, HEAD")
            return self._plain(request, 405, "Only GET and HEAD here.")
        page = self._pages.get(unquote(request.path.decode("latin-1")))
        if page is None:
            return self._plain(request, 404, "There is nothing at this address.")
        request.setHeader(b"content-type", page.content_type.encode())
        if request.setETag(f'"{page.etag}"'.encode()) is CACHED:
            return b""
        if len(page.body) <= LARGE or request.method == b"HEAD":
            return _body(request, page.body)
        self._send(request, page.body)
        return NOT_DONE_YET

    def _send(self, request: Request, body: bytes) -> None:
        """As fast as the client reads, within its time."""
        request.setHeader(b"content-length", b"%d" % len(body))
        deadline = self._clock.callLater(GRACE + len(body) / SLOWEST, request.channel.forceAbortClient)
        request.notifyFinish().addBoth(lambda _: deadline.cancel() if deadline.active() else None)
        NoRangeStaticProducer(request, BytesIO(body)).start()

    def _plain(self, request: Request, status: int, sentence: str) -> bytes:
        request.setResponseCode(status)
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return _body(request, sentence.encode() + b"\n")


def _body(request: Request, body: bytes) -> bytes:
    if request.method != b"HEAD":
        return body
    # Twisted would log the address of a HEAD request that has a body.
    request.setHeader(b"content-length", b"%d" % len(body))
    return b""
