"""The faces for a Crossbar.io node; tests/product/test_crossbar.py has them in a real one."""

from __future__ import annotations

from typing import Any

from autobahn.wamp.types import ComponentConfig
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import TestCase

from orosync import crossbar
from orosync.errors import ConfigError
from tests.config.files import FilesCase

AUTHORIZER = "[attach]\n[realm:realm1]\nauthorizers = topics:oro\n[topics:oro]\nuse = oro\n"
AUTHENTICATOR = "[attach]\n[realm:realm1]\nauthenticators = all\n[authenticator:all]\nuse = anonymous\nrole = guest\n"
ASKED = {"authmethod": "anonymous", "transport": {}, "session": 1}


class EntryPoints(FilesCase, TestCase):
    """orosync.crossbar."""

    timeout = 20

    def setUp(self) -> None:
        super().setUp()
        self.authenticator = str(self.write(AUTHENTICATOR, "authenticator.ini"))
        self.authorizer = str(self.write(AUTHORIZER, "authorizer.ini"))

    def made(self, face: Any, path: str, realm: str = "realm1") -> Any:
        """A component as Crossbar.io makes it; what it registers is in ``registered``."""
        session = face(ComponentConfig(realm, {"config": path, "cbdir": "/"}))
        session.registered = {}
        session.register = lambda procedure, uri, options: succeed(session.registered.__setitem__(uri, procedure))
        session.disconnect = lambda: None
        return session

    def test_classes(self) -> Deferred[None]:
        """Each registers its own procedure when it joins, and lets go of everything when it leaves."""

        async def run() -> None:
            for face, path, uri in [
                (crossbar.Authenticator, self.authenticator, "com.orosync.authenticate"),
                (crossbar.Authorizer, self.authorizer, "com.orosync.authorize"),
            ]:
                face.check_config(None, {"config": path})
                session = self.made(face, path)
                await session.onJoin(None)
                self.assertEqual(list(session.registered), [uri])
                await session.onLeave(None)

        return Deferred.fromCoroutine(run())

    def test_a_realm_of_the_routers(self) -> None:
        """The node says in which realm it has the component; that one has to be in the configuration."""
        error = self.assertRaises(ConfigError, self.made, crossbar.Authorizer, self.authorizer, "other")
        self.assertIn("[realm:other] is missing", error.faults[0])

    def test_without_a_configuration(self) -> None:
        """The node is told before it starts anything."""
        for extra in (None, {}, {"config": ""}, {"config": 5}):
            with self.assertRaisesRegex(ConfigError, "name its configuration"):
                crossbar.Authenticator.check_config(None, extra)
        with self.assertRaisesRegex(ConfigError, "cannot be read"):
            self.made(crossbar.Authorizer, "/nowhere/x.ini")

    def test_function_component(self) -> Deferred[None]:
        """Its configuration is named by the environment."""

        async def run() -> None:
            session = self.made(crossbar.Authorizer, self.authorizer)
            details = type("Details", (), {"realm": "realm1"})()
            self.patch(crossbar.os, "environ", {crossbar.VARIABLE: self.authorizer})
            await crossbar.authorizer_joined(session, details)
            self.assertEqual(list(session.registered), ["com.orosync.authorize"])
            self.patch(crossbar.os, "environ", {})
            with self.assertRaisesRegex(ConfigError, crossbar.VARIABLE):
                await crossbar.authorizer_joined(session, details)

        return Deferred.fromCoroutine(run())

    def test_function_authenticators(self) -> Deferred[None]:
        """Every name that begins so makes one, of the configuration that stands beside it; no other name is there."""

        async def run() -> None:
            from twisted.internet import reactor

            triggers: list[Any] = []
            self.patch(reactor, "addSystemEventTrigger", lambda *what: triggers.append(what))
            other = str(self.write(AUTHENTICATOR.replace("guest", "visitor"), "other.ini"))
            for name, path, role in [
                ("authenticator_oro", self.authenticator, "guest"),
                ("authenticator_2", other, "visitor"),
            ]:
                answer = await getattr(crossbar, name)({"config": path}, None)
                self.assertEqual((await answer("realm1", None, ASKED))["role"], role)
            for phase, event, stop in triggers:
                self.assertEqual((phase, event), ("before", "shutdown"))
                await stop()
            self.assertEqual(len(triggers), 2)
            self.assertFalse(hasattr(crossbar, "authenticato"))

        return Deferred.fromCoroutine(run())
