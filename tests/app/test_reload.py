"""The rules read anew: all of them or none, and what else has changed is said."""

from __future__ import annotations

from pathlib import Path

from twisted.application.service import MultiService, Service
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from orosync.app.container import Container
from orosync.app.reload import RuleReload, effective, needing_a_restart
from orosync.config import load
from orosync.config.loader import without_line
from orosync.interfaces import IAuthorizer
from orosync.model import Action, Decision, Match, Verdict
from orosync.ops.answers import ReloadAnswer
from orosync.testing import principal
from tests.authz.oro_application import FILE, route, written

TEXT = """
[router]
drain = 5s
[listen:one]
endpoint = tcp:0:interface=127.0.0.1
realm = oro
[realm:oro]
authenticators = guests
authorizers = topics:oro roles
[realm:shop]
authenticators = guests
authorizers = topics:shop roles
[authenticator:guests]
use = anonymous
role = guest
[topics:oro]
channel.acme/news = subscribe guest
[topics:shop]
use = own
channel.shop/news = subscribe guest
[role:guest]
permissions =
    exact com.plain call
[role:shop/guest]
permissions =
    exact com.shop call
[notifications]
realm = oro
"""


@implementer(IAuthorizer)
class Office(Service):
    """A part from elsewhere that has to be started and stopped."""

    def __init__(self, name, options):
        self.colour = options["colour"]

    def authorize(self, principal, action, uri, match, options):
        return Decision(Verdict.ABSTAIN, declared=False)


class Reviewed:
    def __init__(self):
        self.named = []

    def review(self, tenants):
        self.named.append(list(tenants))


class RulesTests(SynchronousTestCase):
    def setUp(self):
        self.path = Path(self.mktemp())
        self.logged = []
        globalLogPublisher.addObserver(self.logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.logged.append)
        self.reauthorization = Reviewed()
        self.start(TEXT)

    def start(self, text):
        self.path.write_text(text)
        self.container = Container(load(self.path, {"STATE_DIRECTORY": "/tmp"}), Clock())
        self.realms = self.container.realms
        self.router = MultiService()
        for service in self.container.services:
            service.setServiceParent(self.router)
        self.router.startService()
        self.rules = RuleReload(
            self.container,
            self.reauthorization,
            lambda: ["anna", "ben"],
            self.router,
            lambda path: load(path, {"STATE_DIRECTORY": "/tmp"}),
        )

    def reload(self, text):
        self.path.write_text(text)
        return self.rules.reload()

    def said(self, level):
        return [event["log_format"].format(**event) for event in self.logged if event.get("log_level") is level]

    def verdict(self, action, uri, realm="oro"):
        decision = self.realms[realm].chain.decide(principal(authrole="guest"), action, uri, Match.EXACT, {})
        return decision.verdict is Verdict.ALLOW

    def test_other_rules(self):
        """Topics, roles and authorizers of realms are those of the file, in every realm, and everybody is judged."""
        text = TEXT.replace("acme/news", "acme/other").replace("exact com.plain", "exact com.fancy")
        text = text.replace("topics:shop roles", "roles")
        self.assertEqual(self.reload(text).refused, [])
        for action, uri, realm, allowed in [
            (Action.SUBSCRIBE, "acme/news", "oro", False),
            (Action.SUBSCRIBE, "acme/other", "oro", True),
            (Action.CALL, "com.plain", "oro", False),
            (Action.CALL, "com.fancy", "shop", True),
            (Action.SUBSCRIBE, "shop/news", "shop", False),
        ]:
            self.assertEqual(self.verdict(action, uri, realm), allowed, (uri, realm))
        self.assertEqual(self.reauthorization.named, [["anna", "ben"]])
        self.assertIn("rules reloaded, subscriptions of 2 clients are re-authorized", self.said(LogLevel.info))
        self.assertEqual(self.said(LogLevel.warn), [])

    def test_unsound(self):
        """Every fault is in the log, and nothing else has happened; so with a part that cannot be made."""
        for text, faults in [
            (TEXT.replace("exact com.plain call", "exact com.other dance") + "[topcis:x]\n", 2),
            (TEXT.replace("acme/news", "acme/{b}{c}").replace("exact com.plain", "exact com.other"), 1),
            (TEXT.replace("roles", "roles mine") + "[authorizer:mine]\nuse = nowhere_at_all:Thing\n", 1),
        ]:
            self.logged.clear()
            answer = self.reload(text)
            told = self.said(LogLevel.error)
            self.assertEqual(answer, ReloadAnswer(refused=told))
            self.assertEqual(len(told), faults + 1, told)
            self.assertIn("is not used: the old rules stay", told[-1])
            self.assertTrue(self.verdict(Action.CALL, "com.plain"))
            self.assertTrue(self.verdict(Action.SUBSCRIBE, "acme/news"))
        self.assertEqual(self.reauthorization.named, [])
        self.path.unlink()
        self.assertIn("is not used: the old rules stay", self.rules.reload().refused[-1])

    def test_what_needs_a_restart(self):
        """It is named, and left as it is; the rules change all the same, and it is named again the next time."""
        text = TEXT.replace("drain = 5s", "drain = 6s").replace("role = guest", "role = visitor")
        text = text.replace("tcp:0:interface", "tcp:1:interface").replace("exact com.plain", "exact com.fancy")
        text = text.replace("authorizers = topics:shop roles", "authorizers = roles\nuris = strict")
        text += "[directory:people]\nuse = static\n[realm:new]\nauthenticators = guests\nauthorizers = roles\n"
        there = "router", "listen:one", "authenticator:guests", "directory:people", "realm:shop", "realm:new"
        for _ in range(2):
            self.logged.clear()
            answer = self.reload(text)
            self.assertEqual(answer.refused, [])
            changed = [text for text in self.said(LogLevel.warn) if "has changed" in text]
            self.assertEqual(answer.restart, [f"[{one}]" for one in there])
            self.assertEqual(changed, [f"[{one}] has changed, which takes effect at a restart" for one in there])
            self.assertTrue(self.verdict(Action.CALL, "com.fancy"))

    def test_what_has_changed(self):
        """Sections whose rules are others; not lines that have moved."""
        self.assertEqual(self.reload("# a comment\n" + TEXT), ReloadAnswer(sessions=2))
        text = TEXT.replace("acme/news", "acme/other").replace("exact com.shop call", "exact com.shop call,register")
        text = text.replace("topics:shop roles", "roles") + "[role:clerk]\npermissions =\n    any all\n"
        changed = ["[realm:shop]", "[role:shop/guest]", "[role:clerk]", "[topics:oro]", "[topics:shop]"]
        self.assertEqual(self.reload(text).changed, changed)
        self.assertEqual(self.reload(text).changed, [])

    def test_files_of_the_application(self):
        """A channel that an update of the application has brought."""
        top = Path(self.mktemp())
        written(top)
        text = TEXT.replace("[topics:oro]", f"[topics:oro]\nuse = oro\noro_routing = {top.absolute()}")
        self.assertEqual(self.reload(text).changed, ["[topics:oro]"])
        self.assertEqual(self.reload(text).changed, [])
        written(top, {f"src/Acme/Bundle/DeskBundle/{FILE}": route("oro_sync.ping", "acme/ping")})
        self.assertEqual(self.reload(text).changed, ["[topics:oro]"])

    def test_likely_mistakes(self):
        """What a start would warn of is said once, not again at each reload."""
        text = TEXT.replace("acme/news = subscribe guest", "acme/news = subscribe guset")
        for before, said in (
            ("", ["[topics:oro] channel.acme/news: no authenticator gives guset, did you mean guest?"]),
            ("#\n", []),
        ):
            self.logged.clear()
            self.assertEqual(self.reload(before + text).refused, [])
            told = [without_line(one) for one in self.said(LogLevel.warn)]
            self.assertEqual([one for one in told if "guset" in one], said)

    def test_realm_that_is_gone(self):
        """Its rules stay as they were, though the sections that they are made of may be gone too."""
        start, end = TEXT.index("[realm:shop]"), TEXT.index("[authenticator:guests]")
        text = TEXT[:start] + TEXT[end:]
        text = text[: text.index("[topics:shop]")] + text[text.index("[role:guest]") :]
        text = text[: text.index("[role:shop/guest]")] + text[text.index("[notifications]") :]
        self.assertEqual(self.reload(text).refused, [])
        self.assertTrue(self.verdict(Action.SUBSCRIBE, "shop/news", "shop"))
        self.assertTrue(self.verdict(Action.CALL, "com.shop", "shop"))
        changed = [one for one in self.said(LogLevel.warn) if "role" not in one]
        self.assertEqual(changed, ["[realm:shop] has changed, which takes effect at a restart"])

    def test_parts_that_are_services(self):
        """One that is new is started, one that is gone is stopped; one that stays is left alone."""
        dispatcher = "[authorizer:office]\nuse = tests.app.test_reload:Office\ncolour = red\n"
        self.start(TEXT.replace("topics:oro roles", "topics:oro office roles") + dispatcher)
        (red,) = self.container.services
        text = self.path.read_text()
        self.assertEqual(self.reload(text).refused, [])
        self.assertEqual((self.container.services, red.running), ([red], 1))
        self.assertEqual(self.reload(text.replace("red", "blue")).refused, [])
        (blue,) = self.container.services
        self.assertEqual((red.running, blue.running, blue.colour), (0, 1, "blue"))
        self.assertEqual(self.reload(TEXT).refused, [])
        self.assertEqual((self.container.services, blue.running), ([], 0))

    def test_secrets_of_the_demonstration(self):
        """A secret that is made anew each time the file is read has not changed."""
        demo = Path(__file__).resolve().parents[2] / "etc/router.ini"
        first, second = (load(demo, {"STATE_DIRECTORY": "/tmp"}, 65536) for _ in range(2))
        self.assertEqual(list(needing_a_restart(first, second)), [])
        self.assertEqual(effective(first, second).authenticators, first.authenticators)
