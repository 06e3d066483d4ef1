"""Pages of one's own beside the WebSocket, in a router as it runs."""

from __future__ import annotations

import urllib.request

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.logger import LogLevel

from orosync.app.service import build
from orosync.errors import ConfigError
from orosync.transport import static_pages
from tests.app.test_service import OPEN, ServiceCase
from tests.product.raw import RawClient


class PagesTests(ServiceCase):
    async def fetched(self, service):
        """The front page, asked for as a browser does."""
        url = f"http://{service.address_of('one')}/"
        with await deferToThread(urllib.request.urlopen, url, timeout=10) as answer:
            return answer.read()

    async def test_pages(self):
        """A listener's pages stand beside its WebSocket; SIGHUP takes up what has become of them."""
        page = self.directory / "page"
        page.mkdir()
        (page / "index.html").write_text("first")
        service = self.serve(one="pages = page")
        self.assertIn(f"[listen:one] pages are at http://{service.address_of('one')}/", self.said())
        self.assertEqual(await self.fetched(service), b"first")
        client = await deferToThread(RawClient, f"ws://{service.address_of('one')}/")
        self.addCleanup(client.close)
        await deferToThread(client.join)
        (page / "index.html").write_text("second")
        service.reload()
        self.assertEqual(await self.fetched(service), b"second")
        self.patch(static_pages, "MOST", 1)
        service.reload()
        self.assertEqual(await self.fetched(service), b"second")
        (told,) = self.said(LogLevel.error)
        self.assertIn("[listen:one] pages: ", told)

    def test_too_much(self):
        """Pages that cannot be had are a fault of the configuration."""
        (self.directory / "big.txt").write_text("xx")
        self.patch(static_pages, "MOST", 1)
        error = self.assertRaises(ConfigError, build, self.configuration(one="pages = ."), reactor)
        self.assertTrue(error.faults[0].startswith("[listen:one] pages: "), error.faults)

    async def test_demo_mode(self):
        """In demo mode pages stand in the place of the demonstration's, and its door is the same."""
        (self.directory / "index.html").write_text("mine")
        text = OPEN.format(one="pages = .", more="").replace("state = .", "state = .\ndemo = yes")
        service = self.serve(text=text)
        self.assertEqual(await self.fetched(service), b"mine")
        for header, status in [((), 101), (("Via: 1.1 proxy",), 403)]:
            url = f"ws://{service.address_of('one')}/"
            client = await deferToThread(RawClient, url, "wamp.2.json", "http://127.0.0.1", header)
            client.close()
            self.assertEqual(client.status, status)
