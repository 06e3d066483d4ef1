"""Who decides in each realm, and what a reload changes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from orosync.app.container import Container
from orosync.authz.remote import RemoteAuthorizer
from orosync.config import Configuration, load
from orosync.errors import ConfigError
from orosync.interfaces import IAuthorizer
from orosync.model import Action, Decision, Match, Verdict
from orosync.router.deliveries import Member
from orosync.testing import principal
from tests.authz.oro_application import FILE, written

TEXT = """
[listen:one]
endpoint = tcp:0:interface=127.0.0.1
realm = oro
[realm:oro]
authenticators = guests
authorizers = roles mine acl
[realm:shop]
authenticators = guests desk
authorizers = acl
[authenticator:guests]
use = anonymous
[authenticator:desk]
use = remote
method = ticket
procedure = com.auth.desk
roles = user
realm = oro
[authorizer:mine]
use = tests.app.test_authorizers:Mine
colour = red
[authorizer:acl]
use = remote
procedure = com.auth.acl
realm = oro
cache = 30s
purge = com.auth.purge
purge_role = admin
[role:user]
trustlevel = 3
permissions =
    exact com.plain call
[notifications]
realm = oro
"""


@implementer(IAuthorizer)
class Mine:
    """A part from elsewhere."""

    def __init__(self, name: str, options: Any) -> None:
        self.colour = options["colour"]

    def authorize(self, principal: Any, action: Action, uri: str, match: Match, options: Any) -> Decision:
        return Decision(Verdict.ALLOW if uri == "com.mine" else Verdict.ABSTAIN, self.colour, declared=False)


class AuthorizerFactoryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.container = Container(self.configuration(TEXT), Clock())
        self.realms = self.container.realms

    def configuration(self, text: str) -> Configuration:
        self.path.write_text(text)
        return load(self.path, {"STATE_DIRECTORY": "/tmp"}, 65536)

    def reloaded(self, old: str, new: str) -> list[IAuthorizer]:
        self.assertIn(old, TEXT)
        return self.container.authorizer_factory.put(
            self.container.authorizer_factory.make(self.configuration(TEXT.replace(old, new)))
        )

    def decided(self, action: Action, uri: str, role: str = "user", realm: str = "oro") -> Any:
        return self.realms[realm].chain.decide(principal(authrole=role), action, uri, Match.EXACT, {})

    def asked(self, realm: str = "oro") -> list[str]:
        return [one.name for one in self.realms[realm].chain._authorizers]

    def parts_by_identity(self) -> dict[Any, int]:
        """What need not be made anew, by realm and name."""
        return {key: id(part) for key, (_, part) in self.container.authorizer_factory._now.kept.items()}

    def test_order(self) -> None:
        """As configured, behind what is reserved; a realm in which nothing is reserved has nothing in front."""
        self.assertEqual(self.asked(), ["reserved", "roles", "Mine", "acl"])
        self.assertEqual(self.asked("shop"), ["acl"])

    def test_reserved(self) -> None:
        """What decides for any realm is reserved in the realm where it is registered."""
        for uri, role, action, verdict in [
            ("com.auth.acl", "authorizer", Action.REGISTER, Verdict.ALLOW),
            ("com.auth.acl", "authenticator", Action.REGISTER, Verdict.DENY),
            ("com.auth.desk", "authenticator", Action.REGISTER, Verdict.ALLOW),
            ("com.auth.desk", "user", Action.CALL, Verdict.DENY),
            ("com.auth.purge", "admin", Action.CALL, Verdict.ALLOW),
            ("com.auth.purge", "admin", Action.REGISTER, Verdict.DENY),
        ]:
            decision = self.decided(action, uri, role)
            self.assertEqual(decision.verdict, verdict, (uri, role, action))

    def test_warnings(self) -> None:
        """What the files of an application leave undecided is told once, however many realms read them; for a realm
        that is not in service, as in [attach], in the log."""
        application = written(
            Path(self.mktemp()).absolute(),
            {f"src/A/{FILE}": "a: {pattern: 'a/{x}', callback: a, requirements: {x: '(?i)a'}}\n"},
        )
        text = TEXT.replace("authorizers = acl", "authorizers = acl topics:t").replace("mine acl", "mine acl topics:t")
        configuration = self.configuration(f"{text}\n[topics:t]\noro_routing = {application}\n")
        factory = self.container.authorizer_factory
        self.assertEqual(factory.warnings, ())
        factory.put(factory.make(configuration))
        (warning,) = factory.warnings
        self.assertIn(f"[topics:t] oro_routing: src/A/{FILE}:1: 'a/{{x}}': requirement of {{x}}", warning)
        logged: list[Any] = []
        globalLogPublisher.addObserver(logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, logged.append)
        factory.of(configuration, "shop")
        self.assertEqual([event.get("text") for event in logged], [warning])

    def test_purge(self) -> None:
        """One call makes the authorizers of all realms forget."""

        def epochs() -> list[int]:
            parts = [part for _, part in self.container.authorizer_factory._now.kept.values()]
            return [
                part._cache.epoch for part in parts if isinstance(part, RemoteAuthorizer) and part._cache is not None
            ]

        self.assertEqual(epochs(), [0, 0])
        dealer, told = self.realms["oro"].realm.dealer, []
        admin = Member(5, principal(authrole="admin"), tell=lambda message, payload: told.append(message))
        self.realms["oro"].dispatcher.deliver(dealer.call(admin, 1, "com.auth.purge", {}, None))
        self.assertEqual((len(told), epochs()), (1, [1, 1]))

    def test_rules_are_made_anew(self) -> None:
        """Another configuration decides, from one moment to the next."""
        self.assertEqual(self.decided(Action.CALL, "com.plain").verdict, Verdict.ALLOW)
        self.reloaded("exact com.plain call", "deny exact com.plain")
        self.assertEqual(self.decided(Action.CALL, "com.plain").verdict, Verdict.DENY)

    def test_trustlevels(self) -> None:
        """What others are told of a caller's role is as configured, and another after a reload."""
        dealer = self.realms["oro"].realm.dealer
        dealer.register(Member(1, principal()), "com.trust")

        def told(session: int) -> Any:
            ((_, message, _, _),) = dealer.call(Member(session, principal(authrole="user")), 1, "com.trust", {}, None)
            return message.details.get("trustlevel")

        self.assertEqual(told(2), 3)
        self.reloaded("trustlevel = 3", "trustlevel = 5")
        self.assertEqual(told(3), 5)
        self.reloaded("trustlevel = 3\n", "")
        self.assertIsNone(told(4))

    def test_unlimited_roles(self) -> None:
        """As configured, and others after a reload: sessions that are here look at the same set."""
        exempt = self.realms["oro"].unlimited
        self.assertEqual(exempt, set())
        self.reloaded("trustlevel = 3", "unlimited = yes")
        self.assertEqual(exempt, {"user"})
        self.reloaded("trustlevel = 3", "unlimited = no")
        self.assertEqual(exempt, set())

    def test_parts_stay(self) -> None:
        """What has the same section stays as it is, with all that it remembers; what has another is made anew."""
        before = self.parts_by_identity()
        self.assertEqual(self.reloaded("exact com.plain call", "exact com.other call"), [])
        self.assertEqual(self.parts_by_identity(), before)
        gone = self.reloaded("colour = red", "colour = blue")
        self.assertEqual([part.colour for part in gone], ["red"])
        self.assertEqual(self.decided(Action.CALL, "com.mine").rule, "blue")

    def test_purge_goes_and_comes(self) -> None:
        """A procedure of orosync's own that is configured no more is nobody's; one that is new is there."""
        self.reloaded("purge = com.auth.purge", "purge = com.auth.forget")
        dealer = self.realms["oro"].realm.dealer
        self.assertIsNone(dealer.lookup("com.auth.purge"))
        self.assertIsNotNone(dealer.lookup("com.auth.forget"))

    def test_purge_that_is_taken(self) -> None:
        """What a client has already is said in the log; the rest is in service."""
        self.realms["oro"].realm.dealer.register(Member(5, principal()), "com.auth.forget")
        self.reloaded("purge = com.auth.purge", "purge = com.auth.forget")
        self.assertEqual(self.decided(Action.REGISTER, "com.auth.forget", "admin").verdict, Verdict.DENY)

    def test_faults(self) -> None:
        """All of them at once, and nothing is changed."""
        text = TEXT.replace("tests.app.test_authorizers:Mine", "tests.app.test_authorizers:Yours")
        text = text.replace("authorizers = acl", "authorizers = topics:x")
        text += "[topics:x]\nchannel.a/{b}{c} = subscribe user\n"
        error = self.assertRaises(ConfigError, self.container.authorizer_factory.make, self.configuration(text))
        self.assertEqual(len(error.faults), 2)
        self.assertEqual(self.asked(), ["reserved", "roles", "Mine", "acl"])

    def test_realm_that_is_not_in_service(self) -> None:
        """A realm that a reload brings, or takes away, changes nobody's rules."""
        configuration = self.container.configuration
        fewer = attrs.evolve(configuration, realms={"oro": configuration.realms["oro"]})
        self.container.authorizer_factory.put(self.container.authorizer_factory.make(fewer))
        self.assertEqual(self.asked("shop"), ["acl"])
