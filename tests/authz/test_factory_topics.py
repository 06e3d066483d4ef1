"""Authorizers from configurations."""

from __future__ import annotations

import re
from pathlib import Path

from orosync.authz.channels import Binding, Channel, Owner
from orosync.authz.factory import ORO_CHANNELS, role_permissions, topic_rules
from orosync.errors import ConfigError
from orosync.model import Action, Match, Verdict
from orosync.testing import principal
from tests.authz.oro_application import FILE, FILES, PLATFORM, route, written
from tests.config.files import SOUND, FilesCase

OPEN = frozenset("*")
NOBODY_ELSE: frozenset[str] = frozenset()


class TopicTests(FilesCase):
    """topic_rules"""

    def channels(self, *lines: str) -> dict[str, Channel]:
        """The channels by pattern, of Oro's section with these lines (the first is line 19 of router.ini)."""
        configuration = self.load(SOUND + "\n".join(lines) + "\n")
        return {channel.pattern: channel for channel in topic_rules(configuration.topics["oro"]).channels}

    def test_oros(self) -> None:
        """Without a line there are Oro's ten."""
        self.assertEqual(tuple(self.channels().values()), ORO_CHANNELS)

    def test_own(self) -> None:
        """A channel of one's own: its variables by their names, the section's roles where it says nothing, and where it
        is written."""
        pattern = "acme/{user_id}/{organization_id}/{role}/{kind}"
        channel = self.channels("subscribe = user with R", f"channel.{pattern} = publish backend; retained")[pattern]
        self.assertEqual(channel.title, f"[topics:oro] channel.{pattern} (router.ini:20)")
        self.assertEqual(
            channel,
            Channel(
                pattern,
                {
                    "user_id": "[0-9]+",
                    "organization_id": "[0-9]+",
                    "role": "[A-Za-z0-9_-]+",
                    "kind": "[A-Za-z0-9_-]+",
                },
                {
                    "user_id": Binding(Owner.USER),
                    "organization_id": Binding(Owner.ORGANIZATION),
                    "role": Binding(Owner.ROLE),
                },
                {"user": frozenset({"R"})},
                {"backend": frozenset()},
                "[topics:oro]",
                f"channel.{pattern}",
                "router.ini:20",
                True,
            ),
        )

    def test_for_everybody(self) -> None:
        """``*`` in a variable that must be the user's own is for all where the line itself admits it."""
        for requirement, but in ((r"[0-9]+|\*", OPEN), ("[0-9]{1,9}", NOBODY_ELSE)):
            channel = self.channels(f"channel.acme/{{user_id}} = subscribe user; user_id {requirement}")[
                "acme/{user_id}"
            ]
            self.assertEqual(channel.bindings, {"user_id": Binding(Owner.USER, but)})
            self.assertEqual(channel.requirements, {"user_id": requirement})

    def test_otherwise(self) -> None:
        """A line for one of Oro's channels changes what it says and nothing else, and both places are told."""
        stock = {channel.pattern: channel for channel in ORO_CHANNELS}
        mail, fail, ping = "oro/email_event/{user_id}/{organization_id}", "oro/imap_sync_fail/{user_id}", "oro/ping"
        channels = self.channels(
            f"channel.{mail} = subscribe user with ROLE_MANAGER",
            f"channel.{fail} = user_id [0-9]+",
            f"channel.{ping} = retained",
        )
        self.assertEqual(len(channels), 10)
        changed = channels[mail]
        self.assertEqual(changed.title, f"[topics:oro] channel.{mail} (router.ini:19, built in)")
        self.assertEqual(changed.subscribers, {"user": frozenset({"ROLE_MANAGER"})})
        for field in ("requirements", "bindings", "publishers", "retained"):
            self.assertEqual(getattr(changed, field), getattr(stock[mail], field))
        self.assertEqual(channels[fail].bindings, {"user_id": Binding(Owner.USER)})
        self.assertEqual(channels[fail].requirements, {"user_id": "[0-9]+"})
        self.assertEqual((channels[ping].retained, channels[ping].subscribers), (True, stock[ping].subscribers))

    def test_every_fault_at_once(self) -> None:
        """What cannot be read is told with section, key, file and line, all of it."""
        section = self.load(SOUND + "channel.a/{x} = x .++\nchannel.b = retained\nchannel.c/{x}{y} = retained\n").topics
        error = self.assertRaises(ConfigError, topic_rules, section["oro"])
        self.assertEqual(
            error.faults,
            (
                "[topics:oro] channel.a/{x}: 'a/{x}': requirement of {x}: '.++', character 3: there is nothing to "
                "repeat here (router.ini:19)",
                "[topics:oro] channel.c/{x}{y}: 'c/{x}{y}': nothing stands between {x} and the next variable "
                "(router.ini:21)",
            ),
        )

    def test_of_an_application(self) -> None:
        """The files of an application stand in place of the built-in channels; a line for one of them says what is to
        be otherwise, and lines of one's own come besides."""
        application = written(
            self.directory / "app", {**FILES, f"src/Acme/{FILE}": route("acme.desk", "acme/desk/{id}")}
        )
        lines = ("channel.acme/desk/{id} = subscribe user; id [a-z]+", "channel.acme/news = publish nobody")
        channels = self.channels(f"oro_routing = {application}", *lines)
        self.assertEqual(len(channels), 12)
        self.assertIn(f"{PLATFORM}SyncBundle/{FILE}:1", channels["oro/ping"].place)
        desk = channels["acme/desk/{id}"]
        self.assertEqual(desk.title, f"[topics:oro] channel.acme/desk/{{id}} (router.ini:20, src/Acme/{FILE}:1)")
        self.assertEqual((desk.requirements, desk.subscribers), ({"id": "[a-z]+"}, {"user": frozenset()}))
        self.assertEqual((desk.note, channels["acme/news"].place), ("", "router.ini:21"))

    def test_nobody_yet(self) -> None:
        """A channel with a handler that is none of Oro's is refused with words that say what to write, until a line
        says who may subscribe; a line that says something else does not open it."""
        application = written(self.directory / "app", {f"src/Acme/{FILE}": route("acme.desk", "acme/desk")})
        for line, words in (
            ("", "handler acme.desk is none of Oro's, so say who may: channel.acme/desk = subscribe ..."),
            ("channel.acme/desk = retained", "so say who may: channel.acme/desk = subscribe ..."),
            ("channel.acme/desk = subscribe user", "): subscribe = user"),
        ):
            section = self.load(f"{SOUND}oro_routing = {application}\n{line}\n").topics["oro"]
            decision = topic_rules(section).authorize(principal(), Action.SUBSCRIBE, "acme/desk", Match.EXACT, {})
            self.assertTrue(decision.rule.endswith(words), decision.rule)
            self.assertIs(decision.verdict is Verdict.ALLOW, words.startswith(")"))

    def test_warned(self) -> None:
        """What the files leave undecided is in the warnings, and so are handlers that are none of Oro's."""
        text = "acme.odd: {pattern: 'acme/odd/{x}', callback: a, odd: 1}\n" + route("acme.desk", "acme/desk")
        application = written(self.directory / "app", {f"src/Acme/{FILE}": text})
        section = self.load(f"{SOUND}oro_routing = {application}\n").topics["oro"]
        first, second = topic_rules(section).warnings
        self.assertTrue(
            first.startswith(f"[topics:oro] oro_routing: src/Acme/{FILE}:1: acme.odd: odd is not known"), first
        )
        self.assertTrue(second.startswith(f"[topics:oro] src/Acme/{FILE}:2: its handler acme.desk is none of"), second)
        more = "channel.acme/desk = subscribe user\nchannel.acme/odd/{x} = subscribe user; x [a-z]\n"
        section = self.load(f"{SOUND}oro_routing = {application}\n{more}").topics["oro"]
        rules = topic_rules(section)
        self.assertEqual(rules.warnings, ())
        self.assertEqual(
            {one.pattern: one.place for one in rules.channels},
            {"acme/desk": f"router.ini:20, src/Acme/{FILE}:2", "acme/odd/{x}": "router.ini:21"},
        )

    def test_undecided_stays_denied(self) -> None:
        """A line that does not say who may subscribe opens nothing that cannot be decided, whoever may by default."""
        text = "a: {pattern: 'acme/{x}', callback: oro_sync.ping, requirements: {x: '(?i)a'}}\n"
        application = written(self.directory / "app", {f"src/Acme/{FILE}": text})
        for line, allowed in (
            ("", False),
            ("channel.acme/{x} = retained", False),
            ("channel.acme/{x} = publish user", False),
            ("channel.acme/{x} = subscribe user", True),
            ("channel.acme/{x} = x [a-z]", True),  # the handler's rule
        ):
            section = self.load(f"{SOUND}oro_routing = {application}\nsubscribe = user\n{line}\n").topics["oro"]
            for action in (Action.SUBSCRIBE, Action.PUBLISH):
                decision = topic_rules(section).authorize(principal(), action, "acme/a", Match.EXACT, {})
                expected = allowed and action is Action.SUBSCRIBE
                self.assertIs(decision.verdict is Verdict.ALLOW, expected, (line, action))

    def test_faults_of_both(self) -> None:
        """Faults of the application and of the configuration are told together."""
        section = self.load(f"{SOUND}oro_routing = {self.directory}\nchannel.a/{{x}} = x .++\n").topics["oro"]
        faults = self.assertRaises(ConfigError, topic_rules, section).faults
        self.assertEqual([fault.partition(": ")[0] for fault in faults],
                         ["[topics:oro] oro_routing", "[topics:oro] channel.a/{x}"])  # fmt: skip

    def test_own_alone(self) -> None:
        """Where Oro's are not wanted there are only those that are written."""
        configuration = self.load(SOUND.replace("use = oro", "use = own") + "channel.oro/ping = subscribe user\n")
        (channel,) = topic_rules(configuration.topics["oro"]).channels
        self.assertEqual((channel.pattern, channel.place), ("oro/ping", "router.ini:19"))


class RoleTests(FilesCase):
    """role_permissions"""

    def test_places(self) -> None:
        """The decision names section, line and file of the permission, in the realm's section and in the general one;
        disclosure is passed on."""
        text = SOUND.replace("authorizers = topics:oro", "authorizers = topics:oro roles") + (
            "[role:oro/user]\n"
            "permissions =\n"
            "  # what the desk may do\n"
            "  prefix com.example. call,publish disclose caller\n"
            "\n"
            "  exact com.example.now subscribe\n"
            "[role:user]\n"
            "permissions = any subscribe\n"
        )
        rules = role_permissions(self.load(text), "oro")
        example = "[role:oro/user] prefix com.example. (router.ini:22)"
        for action, uri, words, disclose in (
            (Action.CALL, "com.example.a", f"{example}: call, caller disclosed", True),
            (Action.PUBLISH, "com.example.a", f"{example}: publish", False),
            (Action.REGISTER, "com.example.a", f"{example}: no register", False),
            (Action.CALL, "com.example.now", "[role:oro/user] exact com.example.now (router.ini:24): no call", False),
            (Action.SUBSCRIBE, "com", "[role:user] any (router.ini:26): subscribe", False),
        ):
            decision = rules.authorize(principal(), action, uri, Match.EXACT, {})
            self.assertEqual((decision.rule, decision.disclose), (words, disclose))
            self.assertIs(decision.verdict is Verdict.DENY, ": no " in words)

    def test_page(self) -> None:
        """docs/topics.md says of its example what is so: which request is allowed, and which line says it."""
        page = (
            (Path(__file__).resolve().parents[2] / "docs" / "topics.md").read_text().partition("## Permissions of")[2]
        )
        lines = re.findall("^    (.*)", page, re.MULTILINE)
        text = SOUND.replace("authorizers = topics:oro", "authorizers = topics:oro roles") + "\n".join(lines) + "\n"
        rules = role_permissions(self.load(text), "oro")
        rows = re.findall(r"^\| (\w+) `(\S+)`(.*?) \| (yes|no)(.*?) \| (.*?) \|$", page, re.MULTILINE)
        self.assertEqual(len(rows), 8)
        for verb, uri, how, answer, more, why in rows:
            match = Match.PREFIX if "prefix" in how else Match.EXACT
            decision = rules.authorize(principal(), Action(verb.lower()), uri, match, {})
            self.assertIs(decision.verdict is Verdict.ALLOW, answer == "yes", (verb, uri))
            self.assertIs(decision.disclose, "told" in more)
            if line := re.match("`((?:exact|prefix) .*?)`", why):
                self.assertIn(f" {line[1]} ", decision.rule)
