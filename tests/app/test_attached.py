"""What another router may ask: built from a configuration, as a service."""

from __future__ import annotations

import os
import signal
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from orosync.app.attached import AttachedProcedure, AttachedService, attach_section, build
from orosync.app.container import Container
from orosync.errors import ConfigError
from tests.config.files import ENVIRON, SOUND, FilesCase
from tests.product.running_router import ticket

reactor: Any = installed_reactor
ATTACH = "[attach]\nurl = rs://127.0.0.1:1\n"
WHOLE = SOUND.partition("\n\n")[2] + ATTACH
"""A file without a listener."""


class Attached(FilesCase, TestCase):
    """attached.AttachedProcedure and attached.AttachedService."""

    timeout = 20

    def procedure(self, what: str, text: str = WHOLE, realm: str = "") -> AttachedProcedure:
        return AttachedProcedure(Container(self.load(text), reactor), what, realm)

    def faults_of(self, what: str, text: str, realm: str = "") -> str:
        error = self.assertRaises(ConfigError, self.procedure, what, text, realm)
        return "\n".join(error.faults)

    def test_the_authenticator(self) -> Deferred[None]:
        """In service it judges Oro's tickets, in processes of its own; afterwards nothing is left."""

        async def run() -> None:
            served = self.procedure("authenticator")
            self.assertEqual(served.uri, "com.orosync.authenticate")
            served.startService()
            good = ticket("admin", ENVIRON["ADMIN_HASH"], ENVIRON["ORO_SECRET"])
            asked = {"authmethod": "ticket", "ticket": good, "session": 1, "transport": {"peer": "tcp4:127.0.0.1:5"}}
            answer = await served.procedure("oro", "admin", asked)
            self.assertEqual((answer["role"], answer["authid"], answer["extra"]["user_id"]), ("user", "admin", 1))
            await served.stopService()

        return Deferred.fromCoroutine(run())

    def test_the_publisher_may_come(self) -> Deferred[None]:
        """[attach] publisher_from says from where, and without it from nowhere."""

        async def run() -> None:
            from autobahn.wamp.exception import ApplicationError

            for line, welcome in [("publisher_from = loopback\n", True), ("", False)]:
                served = self.procedure("authenticator", WHOLE + line)
                served.startService()
                good = ticket("", ENVIRON["ORO_SECRET"], ENVIRON["ORO_SECRET"])
                asked = {"authmethod": "ticket", "ticket": good, "transport": {"peer": "tcp4:127.0.0.1:5"}}
                try:
                    self.assertEqual((await served.procedure("oro", "backend", asked))["role"], "backend")
                    self.assertTrue(welcome)
                except ApplicationError:
                    self.assertFalse(welcome)
                finally:
                    await served.stopService()

        return Deferred.fromCoroutine(run())

    def test_the_authorizer(self) -> None:
        """It judges by the realm's authorizers, and needs none of Oro's secrets."""
        served = self.procedure(
            "authorizer", ATTACH + "[realm:oro]\nauthorizers = topics:oro\n[topics:oro]\nuse = oro\n"
        )
        self.assertEqual(served.uri, "com.orosync.authorize")
        who = {
            "session": 1, "authid": "anna", "authrole": "user", "authmethod": "ticket", "authprovider": "dynamic",
            "authextra": {"user_id": 1},
        }  # fmt: skip
        self.assertTrue(served.procedure(who, "oro/email_event/1/1", "subscribe", {})["allow"])
        self.assertFalse(served.procedure(who, "oro/email_event/2/1", "subscribe", {})["allow"])

    async def test_it_is_no_node(self) -> None:
        """[backplane] is for the router of the same file: what another router asks joins no nodes, and remembers
        tickets by itself."""
        lines = "[backplane]\nuse = redis\ndsn = env:DSN\nsecret = env:KEY\n"
        text = WHOLE.replace("use = ticket", "use = ticket\nsingle_use = yes") + lines
        environ = {**ENVIRON, "DSN": "redis://127.0.0.1:1", "KEY": "k" * 32}
        service = build(self.load(text, environ), reactor, "authenticator")
        (served,) = [one for one in service if isinstance(one, AttachedProcedure)]
        self.assertIsNone(served.container.node)
        served.container.journal.close()

    def test_faults(self) -> None:
        """What is missing is told, by the name of its section."""
        self.assertIn("[attach] no such section", self.faults_of("authorizer", SOUND))
        self.assertIn("[realm:other] is missing", self.faults_of("authorizer", WHOLE, "other"))
        realm = "[realm:oro]\nauthorizers = roles\n"
        self.assertIn("[realm:oro] authenticators: is missing", self.faults_of("authenticator", ATTACH + realm))
        bare = WHOLE.replace("authorizers = topics:oro\n", "")
        self.assertIn("[realm:oro] authorizers: is missing", self.faults_of("authorizer", bare))
        foreign = (
            WHOLE.replace("authorizers = topics:oro", "authorizers = mine") + "[authorizer:mine]\nuse = no.where:A\n"
        )
        self.assertIn("[authorizer:mine] use: there is no module no", self.faults_of("authorizer", foreign))
        nowhere = self.load(WHOLE.replace("url = rs://127.0.0.1:1\n", ""))
        self.assertIn("url", self.assertRaises(ConfigError, build, nowhere, reactor, "authorizer").faults[0])
        self.assertEqual(attach_section(self.load(WHOLE)).realm, "oro")

    async def test_probed_at_the_start(self) -> None:
        """What is wrong with the directory is written to the log, as by the router."""
        dsn = "postgres://oro:x@127.0.0.1:1/oro"
        static = "use = static\nuser.admin = 1 env:ADMIN_HASH\n"
        text = WHOLE.replace(static, "use = postgresql\ndsn = env:DSN\n")
        service = build(self.load(text, {**ENVIRON, "DSN": dsn}), reactor, "authenticator")
        noted: Deferred[dict[str, Any]] = Deferred()

        def note(event: str, code: str, **fields: Any) -> None:
            if event == "probe" and not noted.called:
                noted.callback({"code": code, **fields})

        self.patch(service._container.journal, "note", note)
        service.startService()
        try:
            found = await noted
        finally:
            await service.stopService()
        self.assertEqual((found["code"], found["check"]), ("unreachable", "directory:people"))
        self.assertIn("every new ticket is answered with 503", found["users"])

    def test_the_process(self) -> Deferred[None]:
        """It is ready though the router is not there, heeds SIGTERM, and stops at once."""

        async def run() -> None:
            self.addCleanup(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))
            service = build(self.load(WHOLE), reactor, "authorizer")
            self.assertIsInstance(service, AttachedService)
            stopped: Deferred[None] = Deferred()
            self.patch(reactor, "stop", lambda: stopped.callback(None))
            service.startService()
            os.kill(os.getpid(), signal.SIGTERM)
            await stopped
            await service.stopService()

        return Deferred.fromCoroutine(run())
