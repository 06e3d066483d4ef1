"""Stores made from their sections."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import trustme
from twisted.application.service import IService
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from orosync.clocks import time_of_day
from orosync.config.credentials import Secret
from orosync.config.sessions import (
    AnySessions,
    PdoSessionsSection,
    RedisSessionsSection,
    SessionFilesSection,
    TicketExchangeSection,
)
from orosync.errors import ConfigError, Refused, Unavailable
from orosync.identity.factory import plugin_store, session_store
from orosync.interfaces import ISessionStore
from orosync.model import AdminSession, Principal
from orosync.testing import RecordingJournal, SessionStoreContract
from tests.identity.sessions import logins

ANNA = SessionStoreContract.ANNA
ID = SessionStoreContract.ANNA_IN


def verify(ticket: str) -> Deferred[Principal]:
    """No ticket is good."""
    return fail(Refused("bad_digest", "no"))


def redis(dsn: str = "redis://127.0.0.1:1", **more: Any) -> RedisSessionsSection:
    """A section."""
    return RedisSessionsSection(name="web", use="redis", dsn=Secret(dsn, "env:DSN"), **more)


def pdo(dsn: str) -> PdoSessionsSection:
    """A section."""
    return PdoSessionsSection(name="web", use="pdo", dsn=Secret(dsn, "env:DSN"), connect_timeout=1.0)


class Making(TestCase):
    """Sections in, stores out."""

    timeout = 30

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)

    def made(self, section: AnySessions) -> tuple[Any, Any]:
        """The store, and its service."""
        store, service = session_store(section, RecordingJournal(), reactor, time_of_day, verify)
        verifyObject(ISessionStore, store)
        verifyObject(IService, service)
        self.assertEqual((store.name, service.name), ("web", "sessions:web"))
        return store, service

    def fault(self, section: AnySessions) -> str:
        """The one fault of a section."""
        error = self.assertRaises(ConfigError, self.made, section)
        (fault,) = error.faults
        return str(fault)

    async def test_files(self) -> None:
        """A store of files reads them with the section's settings, once it is started, until it is stopped."""
        logins.written("files", {ID: ANNA}, path=str(self.directory), mode="0640")
        for settings, found in (({}, ANNA), ({"context": "other"}, Refused), ({"lifetime": 0.001}, None)):
            section = SessionFilesSection(name="web", use="files", path=self.directory, **settings)
            store, service = self.made(section)
            await self.assertFailure(store.find(ID), Unavailable)
            service.startService()
            again, second = self.made(section)
            second.startService()
            if found is Refused:
                await self.assertFailure(again.find(ID), Refused)
            else:
                self.assertEqual(await again.find(ID), found)
            for one in (service, second):
                await one.stopService()
            self.assertFalse(store.prolongs)

    async def test_those_that_are_down(self) -> None:
        """Every kind is made without being there, and says what is missing when it is asked."""
        http = TicketExchangeSection(name="web", use="http", url="http://127.0.0.1:1/x", authenticator="t")
        for section, prolongs in (
            (redis(), False),
            (pdo("postgres://u:p@127.0.0.1:1/oro"), False),
            (pdo("mysql://u:p@127.0.0.1:1/oro"), False),
            (http, True),
        ):
            store, service = self.made(section)
            self.assertEqual(store.prolongs, prolongs)
            service.startService()
            down = await self.assertFailure(store.find(ID), Unavailable)
            self.assertEqual(down.code, "sessions_down")
            self.assertTrue(down.reason.startswith("[sessions:web] "), down.reason)
            self.assertRegex(down.reason, "(?i)refused")
            await service.stopService()

    def test_dsns(self) -> None:
        """What is wrong with a DSN is told with its reference, without itself."""
        table = [
            (redis("redis://h1:top-secret"), "[sessions:web] dsn: env:DSN names an invalid host or port"),
            (pdo("sqlite:///top-secret"), "[sessions:web] dsn: env:DSN names no database that orosync can ask"),
        ]
        for section, words in table:
            fault = self.fault(section)
            self.assertTrue(fault.startswith(words), fault)
            self.assertNotIn("top-secret", fault)

    def test_without_the_extras(self) -> None:
        """Where a module is not installed, the fault says what to install."""
        table = [
            ("txredisapi", redis(), "redis"),
            ("psycopg", pdo("postgres://u:p@h/oro"), "postgres"),
            ("pymysql", pdo("mysql://u:p@h/oro"), "mysql"),
        ]
        for module, section, extra in table:
            self.patch(sys, "modules", {**sys.modules, module: None})
            fault = self.fault(section)
            self.assertTrue(fault.startswith("[sessions:web] use: "), fault)
            self.assertTrue(fault.endswith(f" -m pip install '.[{extra}]'"), fault)

    def test_authorities(self) -> None:
        """A file of several authorities is believed; one without any is a fault."""
        path = self.directory / "ca.pem"
        path.write_bytes(b"".join(trustme.CA().cert_pem.bytes() for _ in range(2)))
        self.made(redis("rediss://localhost", ca=path))
        for content in (b"", b"nothing", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
            path.write_bytes(content)
            words = f"[sessions:web] ca: {path} holds no certificate that can be read (PEM), name another"
            self.assertEqual(self.fault(redis("rediss://localhost", ca=path)), words)

    def test_from_elsewhere(self) -> None:
        """A store of one's own has the same in front, and may say that it prolongs."""

        @implementer(ISessionStore)
        class Mine:
            def __init__(self, prolongs: bool) -> None:
                self.prolongs = prolongs

            def find(self, session_id: str) -> Deferred[AdminSession | None]:
                return succeed(ANNA)

        for prolongs in (False, True):
            store = plugin_store("web", Mine(prolongs), RecordingJournal(), reactor)
            self.assertEqual(self.successResultOf(store.find(ID)), ANNA)
            self.assertIs(store.prolongs, prolongs)
