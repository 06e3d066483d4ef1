"""Tests of orosync.transport.static_pages."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport import static_pages
from orosync.transport.static_pages import StaticPages, read_pages
from tests.support.listeners import ListenerCase, reactor
from tests.support.wires import MemoryListener


class PagesCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(self.mktemp()).absolute()
        self.place.mkdir()

    def write(self, name: str, text: str = "text") -> Path:
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


class ReadingTests(PagesCase):
    def test_what_is_read(self) -> None:
        """Every plain file of every directory under it, by its address; a directory's index by the directory's too."""
        for name in ("page/index.html", "page/a b/ü.JS", "page/a b/index.html", "shared/x.css", "shared/index.html"):
            self.write(name, name)
        pages = read_pages([self.place / "page", self.place / "shared"])
        self.assertEqual(sorted(pages), ["/", "/a b/", "/a b/index.html", "/a b/ü.JS", "/index.html", "/x.css"])
        self.assertEqual(pages["/"].body, b"page/index.html")
        types = {name: page.content_type for name, page in pages.items()}
        self.assertEqual(types["/a b/ü.JS"], "text/javascript; charset=utf-8")
        self.assertEqual(types["/x.css"], "text/css; charset=utf-8")

    def test_what_is_passed_over(self) -> None:
        """Names that begin with a dot, whatever is below them, and links, wherever they lead."""
        for name in ("page/.htpasswd", "page/.git/config", "page/ok.bin", "secret", "dir/secret"):
            self.write(name)
        os.symlink(self.place / "secret", self.place / "page" / "link")
        os.symlink(self.place / "dir", self.place / "page" / "folder")
        os.mkfifo(self.place / "page" / "pipe")
        pages = read_pages([self.place / "page"])
        self.assertEqual(list(pages), ["/ok.bin"])
        self.assertEqual(pages["/ok.bin"].content_type, "application/octet-stream")

    def test_faults(self) -> None:
        """What cannot be read, and more than fits into memory, is told."""
        path = self.write("page.html", "x" * 100)
        self.patch(static_pages, "MOST", 99)
        self.assertIn("serve so much by another server", str(self.assertRaises(ValueError, read_pages, [self.place])))

        def unreadable(_: Path) -> bytes:
            raise PermissionError(13, "Permission denied")

        self.patch(Path, "read_bytes", unreadable)
        error = self.assertRaises(ValueError, read_pages, [self.place])
        self.assertEqual(str(error), f"{path} cannot be read (Permission denied), correct its rights")


class ServingTests(PagesCase):
    def setUp(self) -> None:
        super().setUp()
        self.write("index.html", "<p>hello")
        self.write("it's.txt", "yes")
        self.pages = StaticPages([self.place], Clock())

    def ask(self, target: str, method: str = "GET", *headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to one request."""
        link, wire = MemoryListener(web=self.pages).connect()
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
        link.dataReceived("\r\n".join(lines).encode())
        head, _, body = wire.value().partition(b"\r\n\r\n")
        status, *fields = head.decode().split("\r\n")
        named: Any = dict(field.lower().split(": ", 1) for field in fields)
        return int(status.split()[1]), named, body

    def test_files(self) -> None:
        """A file, with its type and the headers that protect its reader, whatever stands behind a "?"."""
        for target in ("/", "/index.html", "/?ticket=1", "/%69ndex.html"):
            status, headers, body = self.ask(target)
            self.assertEqual((status, body), (200, b"<p>hello"), target)
        self.assertEqual(headers["content-type"], "text/html; charset=utf-8")
        self.assertIn("default-src 'self'", headers["content-security-policy"])
        self.assertIn("frame-ancestors 'none'", headers["content-security-policy"])
        self.assertEqual((headers["x-content-type-options"], headers["server"]), ("nosniff", "orosync"))
        self.assertEqual(self.ask("/it's.txt")[2], b"yes")
        self.assertEqual(self.ask("/it%27s.txt")[2], b"yes")

    def test_head(self) -> None:
        """HEAD says how long it would be."""
        status, headers, body = self.ask("/", "HEAD")
        self.assertEqual((status, headers["content-length"], body), (200, "8", b""))

    def test_unchanged(self) -> None:
        """Who has it already is not sent it again, until it is another."""
        known = f"If-None-Match: {self.ask('/')[1]['etag']}"
        self.assertEqual(self.ask("/", "GET", known)[0], 304)
        self.write("index.html", "<p>other")
        self.assertEqual(self.ask("/", "GET", known)[0], 304)
        self.pages.read()
        self.assertEqual(self.ask("/", "GET", known)[::2], (200, b"<p>other"))

    def test_nothing_else(self) -> None:
        """No path leads out of the directory, however it is written."""
        self.write("../outside.txt", "secret")
        for target in (
            "/nothing",
            "/../outside.txt",
            "/%2e%2e/outside.txt",
            "/..%2foutside.txt",
            "//index.html",
            "/./index.html",
            "/index.html/",
            "/index.html%00",
            "/%ff%fe",
            "/%",
        ):
            status, headers, body = self.ask(target)
            self.assertEqual((status, body), (404, b"There is nothing at this address.\n"), target)
            self.assertEqual(headers["x-content-type-options"], "nosniff")

    def test_other_methods(self) -> None:
        """Nothing can be changed here."""
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            status, headers, _ = self.ask("/", method)
            self.assertEqual((status, headers["allow"]), (405, "get, head"), method)

    def test_a_file_that_broke(self) -> None:
        """When reading anew fails, what was there before is still served."""

        def unreadable(_: Path) -> bytes:
            raise PermissionError(13, "Permission denied")

        self.patch(Path, "read_bytes", unreadable)
        self.assertRaises(ValueError, self.pages.read)
        self.assertEqual(self.ask("/")[0], 200)


class LargeFileTests(ListenerCase):
    """Files that do not fit into the system's buffers."""

    async def pages(self) -> int:
        place = Path(self.mktemp()).absolute()
        place.mkdir()
        self.body = os.urandom(8 << 20)
        (place / "large.bin").write_bytes(self.body)
        return await self.listen(web=StaticPages([place], reactor))

    async def test_whole(self) -> None:
        """A large file arrives whole, as fast as it is taken; HEAD tells its length alone."""
        port = await self.pages()
        client = await self.client(port)
        client.send(b"HEAD /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await self.beside(client.once)
        self.assertIn(b"%d" % len(self.body), head)
        client.send(b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head, _, body = (await self.beside(client.until_end)).partition(b"\r\n\r\n")
        self.assertEqual(hashlib.sha256(body).digest(), hashlib.sha256(self.body).digest())

    async def test_slow_reader(self) -> None:
        """Who does not take it is cut off: a connection is not held for nothing."""
        self.patch(static_pages, "GRACE", 0.2)
        self.patch(static_pages, "SLOWEST", 1 << 30)
        port = await self.pages()
        client = await self.client(port, buffer=4096)
        client.send(b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await self.until(lambda: self.factories[0].connection_limit.inside == 1)
        await self.until(lambda: self.factories[0].connection_limit.inside == 0)
        self.assertLess(len(await self.beside(client.until_end)), len(self.body))
