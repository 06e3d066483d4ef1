"""The objects of a router, built from a configuration."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

from twisted.application.service import Service
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from orosync.app.container import Container
from orosync.config import load
from orosync.errors import ConfigError, Unavailable
from orosync.identity.cookie_authenticator import CookieAuthenticator
from orosync.identity.factory import AnonymousAuthenticator
from orosync.identity.ticket_authenticator import TicketAuthenticator
from orosync.interfaces import IAuthorizer, IDirectory, ISessionStore
from orosync.model import Action, Decision, Match, Verdict
from orosync.testing import connection_facts, principal

TEXT = """
[listen:one]
endpoint = tcp:0:interface=127.0.0.1
realm = oro
[realm:oro]
authenticators = tickets guests
authorizers = topics:oro mine roles
[realm:open]
authenticators = guests
authorizers = roles
uris = strict
[role:open/guest]
permissions =
    prefix com.example. subscribe,publish disclose
    deny exact com.example.secret
[role:guest]
permissions =
    exact com.everywhere call
[authenticator:tickets]
use = ticket
secret = env:SECRET
previous_secret = env:PREVIOUS
directory = people
[authenticator:guests]
use = anonymous
role = guest
[directory:people]
use = tests.app.test_container:Directory
city = Lisbon
[authorizer:mine]
use = tests.app.test_container:Authorizer
[topics:oro]
channel.acme/news = subscribe user; publish backend
channel.acme/desk/{user_id} = subscribe user
[notifications]
realm = oro
"""
ENVIRON = {"SECRET": "one secret of some length", "PREVIOUS": "another secret of some length"}
MADE = []


@implementer(IDirectory)
class Directory:
    def __init__(self, name, options):
        MADE.append((name, dict(options)))

    def find(self, login):
        return succeed(None)


@implementer(ISessionStore)
class Sessions:
    def __init__(self, name, options):
        self.name = name

    def find(self, session_id):
        return succeed(None)


class ServiceDirectory(Directory, Service):
    pass


@implementer(IAuthorizer)
class Authorizer:
    def __init__(self, name, options):
        self.name = name

    def authorize(self, principal, action, uri, match, options):
        return Decision(Verdict.ALLOW if uri == "mine" else Verdict.ABSTAIN, declared=False)


class ContainerTests(SynchronousTestCase):
    def container(self, text=TEXT):
        path = Path(self.mktemp())
        path.write_text(text)
        return Container(load(path, ENVIRON), Clock())

    def decide(self, realm, who, action, uri):
        decision = self.realms[realm].chain.decide(who, action, uri, Match.EXACT, {})
        return decision.verdict is Verdict.ALLOW

    def test_realms(self):
        """Each realm has its own authenticators in order, authorizers, URI rule and watchers."""
        self.realms = self.container().realms
        kinds = [type(one) for one in self.realms["oro"].authenticators]
        self.assertEqual(kinds, [TicketAuthenticator, AnonymousAuthenticator])
        self.assertIs(self.realms["oro"].authenticators[1], self.realms["open"].authenticators[0])
        self.assertEqual([realm.strict_uris for realm in self.realms.values()], [False, True])
        self.assertEqual(set(self.realms["oro"].watchers), {"oro/maintenance", "oro/ping"})
        self.assertEqual(self.realms["open"].watchers, {})
        anna, guest = principal(), principal("x", authrole="guest", user_id=None)
        table = [
            ("oro", anna, Action.SUBSCRIBE, "oro/data/update", True),
            ("oro", anna, Action.PUBLISH, "oro/data/update", False),
            ("oro", anna, Action.SUBSCRIBE, "acme/news", True),
            ("oro", anna, Action.SUBSCRIBE, "acme/desk/1", True),
            ("oro", anna, Action.SUBSCRIBE, "acme/desk/2", False),
            ("oro", anna, Action.CALL, "mine", True),
            ("oro", guest, Action.SUBSCRIBE, "com.example.a", False),
            ("open", guest, Action.SUBSCRIBE, "com.example.a", True),
            ("open", guest, Action.SUBSCRIBE, "com.example.secret", False),
            ("open", guest, Action.CALL, "com.everywhere", True),
            ("oro", guest, Action.CALL, "com.everywhere", True),
            ("open", guest, Action.REGISTER, "com.everywhere", False),
        ]
        for realm, who, action, uri, allowed in table:
            self.assertEqual(self.decide(realm, who, action, uri), allowed, (realm, who.authrole, action, uri))

    def test_realms_without_oro(self):
        """Where nothing is of Oro's, no realm is watched for Oro's topics."""
        path = Path(self.mktemp())
        path.write_text(
            "[listen:one]\nendpoint = tcp:0:interface=127.0.0.1\nrealm = one\n"
            "[realm:one]\nauthenticators = guests\nauthorizers = roles\n"
            "[realm:two]\nauthenticators = guests\nauthorizers = roles\n"
            "[authenticator:guests]\nuse = anonymous\n"
        )
        realms = Container(load(path, {}), Clock()).realms
        self.assertEqual({name: dict(realm.watchers) for name, realm in realms.items()}, {"one": {}, "two": {}})

    def test_parts_from_elsewhere(self):
        """They get their section's name and options."""
        MADE.clear()
        self.container().realms  # noqa: B018 (made when asked for)
        self.assertEqual(MADE, [("people", {"city": "Lisbon"})])

    def test_every_fault_at_once(self):
        """Parts that cannot be had are all named, each once."""
        text = TEXT.replace("tests.app.test_container:Directory", "no.such:thing")
        text = text.replace("tests.app.test_container:Authorizer", "tests.app.test_container:MADE")
        with self.assertRaises(ConfigError) as caught:
            self.container(text).realms  # noqa: B018
        faults = caught.exception.faults
        self.assertEqual(len(faults), 2, faults)
        self.assertTrue(any(fault.startswith("[directory:people] use:") for fault in faults))
        self.assertTrue(any(fault.startswith("[authorizer:mine] use:") for fault in faults))

    def with_database(self, use="postgresql", dsn="postgres://u:top-secret@127.0.0.1:1/oro?serverVersion=17"):
        text = TEXT.replace(
            "use = tests.app.test_container:Directory\ncity = Lisbon", f"use = {use}\ndsn = env:ORO_DB_DSN"
        )
        path = Path(self.mktemp())
        path.write_text(text)
        return Container(load(path, {**ENVIRON, "ORO_DB_DSN": dsn}), Clock())

    def faults(self, container):
        """The faults of objects that have some."""
        with self.assertRaises(ConfigError) as caught:
            container.realms  # noqa: B018
        return list(caught.exception.faults)

    def test_directory_in_a_database(self):
        """It is made with its queue in front and started with the service; nothing connects before."""
        for use, dsn in (
            ("postgresql", "postgres://u:top-secret@127.0.0.1:1/oro"),
            ("mysql", "mysql://u:p@127.0.0.1:1/oro"),
        ):
            container = self.with_database(use, dsn)
            self.assertEqual(container.services, [])
            container.realms  # noqa: B018
            self.assertEqual([service.name for service in container.services], ["directory:people"])
            self.failureResultOf(container.directories["people"].find("anna"), Unavailable)

    def test_databases_that_cannot_be_had(self):
        """What is wrong with a DSN is told without it."""
        table = [
            ("postgresql", "mysql://u:top-secret@h/oro", "is the DSN of mysql, not of PostgreSQL"),
            ("mysql", "postgres://u:top-secret@h/oro", "is the DSN of postgresql, not of MySQL"),
            ("postgresql", "sqlite:///%kernel.project_dir%/top-secret", "names no database that orosync can ask"),
        ]
        for use, dsn, words in table:
            with self.assertRaises(ConfigError) as caught:
                self.with_database(use, dsn).realms  # noqa: B018
            (fault,) = caught.exception.faults
            self.assertTrue(fault.startswith(f"[directory:people] dsn: env:ORO_DB_DSN {words}"), fault)
            self.assertNotIn("top-secret", fault)

    def test_without_the_driver(self):
        """Where the extra is not installed, naming such a directory says what to install, and no other start fails."""
        for use, module, extra in (("postgresql", "psycopg", "postgres"), ("mysql", "pymysql", "mysql")):
            self.patch(sys, "modules", {**sys.modules, module: None})
            (fault,) = self.faults(self.with_database(use))
            self.assertTrue(fault.startswith(f"[directory:people] use: {use} needs the module {module} ("), fault)
            self.assertTrue(fault.endswith(f" -m pip install '.[{extra}]'"), fault)
            self.assertTrue(self.container().realms)

    def test_services_from_elsewhere(self):
        """A part of one's own that is a service is started and stopped with the router."""
        container = self.container(
            TEXT.replace("tests.app.test_container:Directory", "tests.app.test_container:ServiceDirectory")
        )
        container.realms  # noqa: B018
        self.assertEqual([type(service) for service in container.services], [ServiceDirectory])

    def test_who_is_admitted(self):
        """One line lets disabled users in again, who then count where passwords are compared, and another one users
        without a password."""
        for disabled, without in product(("no", "yes"), repeat=2):
            lines = f"accept_disabled = {disabled}\naccept_without_password = {without}"
            container = self.container(TEXT.replace("directory = people", f"directory = people\n{lines}", 1))
            (tickets, _) = container.realms["oro"].authenticators
            rules, shared = tickets.settings, container.sharing.directories["people"]
            self.assertIs(rules.shared, shared)
            found = (rules.accept_disabled, shared.disabled_too, rules.accept_without_password)
            self.assertEqual(found, (disabled == "yes", disabled == "yes", without == "yes"))

    def test_single_use_and_failures_of_tickets(self):
        """What the section of tickets says about single use and wrong tickets reaches its authenticator."""
        lines = "single_use = yes\nfailure_burst = 7\nfailure_rate = 3"
        text = TEXT.replace("directory = people", f"directory = people\n{lines}", 1)
        for configured, burst, once in ((text, 7, True), (TEXT, 100, False)):
            (tickets, _) = self.container(configured).realms["oro"].authenticators
            rules = tickets.settings
            for _ in range(burst):
                self.assertFalse(rules.failures.exhausted("192.0.2.1", 0))
                rules.failures.record("192.0.2.1", 0)
            self.assertTrue(rules.failures.exhausted("192.0.2.1", 0))
            self.assertIs(rules.used is not None, once)

    def test_authenticators_with_single_use_share_their_memory(self):
        """A ticket that one of them has taken is used for all, in whatever realm and on whatever listener."""
        section = (
            TEXT[TEXT.index("[authenticator:tickets]") : TEXT.index("[authenticator:guests]")] + "single_use = yes\n"
        )
        text = TEXT.replace("directory = people", "directory = people\nsingle_use = yes", 1)
        container = self.container(text + section.replace("tickets", "more"))
        container.realms  # noqa: B018 (makes everything)
        memories = [container.authenticators[name].settings.used for name in ("tickets", "more")]
        self.assertIsNotNone(memories[0])
        self.assertIs(memories[0], memories[1])

    def test_session_stores(self):
        """They are made by name, started and stopped with the router; an exchanged ticket goes to its authenticator."""
        text = (
            TEXT
            + """
[sessions:files]
use = files
path = /nowhere
[sessions:web]
use = http
url = http://127.0.0.1:1/sync/ticket
authenticator = tickets
[sessions:mine]
use = tests.app.test_container:Sessions
"""
        )
        container = self.container(text)
        realms = container.realms
        self.assertEqual(list(container.session_stores), ["files", "web", "mine"])
        self.assertEqual([one.name for one in container.services], ["sessions:files", "sessions:web"])
        self.assertEqual([one.prolongs for one in container.session_stores.values()], [False, True, False])
        self.assertIsNone(self.successResultOf(container.session_stores["mine"].find("a" * 26)))
        (web,) = (one for one in container.services if one.name == "sessions:web")
        asked = []
        self.patch(realms["oro"].authenticators[0], "verify", lambda ticket: asked.append(ticket) or succeed(None))
        web._verify("a ticket")
        self.assertEqual(asked, ["a ticket"])

    def test_cookies(self):
        """The cookie's authenticator has its store and directory; its own interval, and what its store must not do."""
        section = "[authenticator:cookie]\nuse = cookie\nsessions = {}\ndirectory = people\nrecheck = 9s\n"
        stores = "[sessions:mine]\nuse = tests.app.test_container:Sessions\n"
        stores += "[sessions:web]\nuse = http\nurl = http://127.0.0.1:1/x\nauthenticator = tickets\n"
        for store, asked_again in (("mine", True), ("web", False)):
            text = TEXT.replace("authenticators = tickets guests", "authenticators = tickets cookie guests")
            cookie = self.container(text + section.format(store) + stores).realms["oro"].authenticators[1]
            self.assertIsInstance(cookie, CookieAuthenticator)
            self.assertEqual(cookie.recheck_interval, 9.0)
            credential = cookie.credential(connection_facts(cookies={"BAPID": "c" * 26}), principal())
            self.assertEqual(credential.session_id is not None, asked_again)
        text = TEXT + section.format("broken") + "[sessions:broken]\nuse = tests.app.test_container:nothing\n"
        (fault,) = self.faults(self.container(text))
        self.assertTrue(fault.startswith("[sessions:broken] use:"), fault)

    def test_session_store_that_cannot_be_had(self):
        """It is a fault of the configuration, though no authenticator asks it."""
        path = Path(self.mktemp())
        path.write_text(TEXT + "[sessions:web]\nuse = redis\ndsn = env:DSN\n")
        error = self.assertRaises(ConfigError, load, path, {**ENVIRON, "DSN": "http://top-secret"})
        (fault,) = error.faults
        self.assertTrue(fault.startswith("[sessions:web] dsn: env:DSN is not a DSN of Redis"), fault)
        self.assertNotIn("top-secret", fault)

    def test_channel_that_cannot_be_read(self):
        """A requirement that is refused is a fault with its section, key, file and line."""
        text = TEXT.replace("channel.acme/news =", "channel.acme/news/{what} = what (?=x)y;")
        (fault,) = self.faults(self.container(text))
        self.assertTrue(fault.startswith("[topics:oro] channel.acme/news/{what}: "), fault)
