"""orosync explain."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from orosync.interfaces import IAuthorizer
from orosync.model import Decision, Verdict
from tests.cli.command_case import RUNNING, CommandCase

MORE = """
[role:oro/staff]
permissions =
  # the desk
  prefix com.example. call,register
  exact com.example.secret call
[role:robot]
permissions = any all
[authenticator:keys]
use = wampcra
user.robo = robot env:SECRET
[authenticator:old]
use = ticket
secret = env:SECRET
directory = people
accept_disabled = yes
role = staff
"""


@implementer(IAuthorizer)
class Later:
    """Answers later, and only to users of organization 7."""

    def __init__(self, name: str, options: Any) -> None:
        self.name = name

    def authorize(self, principal: Any, action: Any, uri: str, match: Any, options: Any) -> Deferred[Decision]:
        if uri == "broken":
            raise KeyError("no such table")
        if not uri.startswith("later."):
            return succeed(Decision(Verdict.ABSTAIN, declared=False))
        assert principal.organizations == {7} and principal.roles == {"ROLE_X"}
        return succeed(Decision(Verdict.ALLOW, "Later says so"))


class ExplainTests(CommandCase):
    async def explain(self, status: int, *arguments: str) -> list[str]:
        """The lines on standard output; the exit status is ``status``."""
        self.assertEqual(await self.orosync("explain", *arguments), status, (arguments, self.out, self.err))
        return self.out.splitlines()

    async def test_user(self):
        """The user as its ticket would make it, ALLOW or DENY, and the rule that decides."""
        mail = "[topics:oro] oro/email_event/{user_id}/{organization_id} (built in)"
        who = "user 'anna' (id 1; role user)"
        for status, topic, words, rule in (
            (0, "oro/email_event/1/1", "ALLOW subscribe", f"{mail}: subscribe = user, own user_id 1"),
            (1, "oro/email_event/2/1", "DENY subscribe", f"{mail}: user_id 2 is another user than 1"),
        ):
            lines = await self.explain(status, "--user", "anna", "--topic", topic)
            self.assertEqual(lines, [f"{words} {topic} to {who} in oro", rule])
        lines = await self.explain(1, "--user", "anna", "--topic", "acme/x", "--realm", "oro")
        self.assertEqual(lines[1:], ['subscribe "acme/x": no authorizer allows it, so it is denied',
                                     "asked were, in this order: topics:oro"])  # fmt: skip

    async def test_file_and_line(self):
        """Rules of the configuration come with their line."""
        self.configure("subscribe = user staff", "channel.acme/x = subscribe staff; publish user")
        number = len(self.config.read_text().splitlines())
        channel = f"[topics:oro] channel.acme/x (router.ini:{number})"
        lines = await self.explain(0, "--user", "anna", "--topic", "acme/x", "--action", "publish")
        self.assertEqual(lines[1], f"{channel}: publish = user")
        lines = await self.explain(0, "--user", "anna", "--topic", "acme/x", "--role", "staff")
        self.assertEqual(lines, ["ALLOW subscribe acme/x to user 'anna' (id 1; role staff) in oro",
                                 f"{channel}: subscribe = staff"])  # fmt: skip

    async def test_back_end_and_any_client(self):
        """The back end with the role of its tickets, and any client with a role."""
        ping = "[topics:oro] oro/ping (built in)"
        for status, arguments, lines in (
            (0, ["--back-end"], ["ALLOW publish oro/ping to the back end (role backend) in oro",
                                 f"{ping}: publish = backend"]),
            (1, ["--back-end", "--role", "user"], ["DENY publish oro/ping to the back end (role user) in oro",
                                                   f'{ping}: the role "user" is not one of its publishers (backend)']),
            (1, ["--role", "guest"], ["DENY publish oro/ping to any client (role guest) in oro",
                                      f'{ping}: the role "guest" is not one of its publishers (backend)']),
        ):  # fmt: skip
            self.assertEqual(
                await self.explain(status, *arguments, "--topic", "oro/ping", "--action", "publish"), lines
            )

    async def test_procedures_and_patterns(self):
        """Calls, registrations and patterns, by the permissions of roles."""
        self.configure("authorizers = topics:oro", "authorizers = topics:oro roles")
        self.config.write_text(self.config.read_text() + MORE)
        number = self.config.read_text().splitlines().index("  prefix com.example. call,register") + 1
        rule = f"[role:oro/staff] prefix com.example. (router.ini:{number})"
        secret = f"[role:oro/staff] exact com.example.secret (router.ini:{number + 1})"
        for status, arguments, words in (
            (0, "--action call --topic com.example.x", f"{rule}: call"),
            (0, "--action register --topic com.example.x", f"{rule}: register"),
            (1, "--action publish --topic com.example.x", f"{rule}: no publish"),
            (0, "--action register --match prefix --topic com.example.x.", f"{rule}: register"),
            (1, "--action register --match prefix --topic com.example.",
             f"{secret}: no register, and the prefix pattern overlaps it"),
            (0, "--action register --match wildcard --topic com.example..x", f"{rule}: register"),
            (1, "--match prefix --topic oro/",
             "[topics:oro] oro/ping (built in): subscribe to its topics one by one, the prefix pattern "
             "matches more"),
        ):  # fmt: skip
            lines = await self.explain(status, "--user", "anna", "--role", "staff", *arguments.split())
            self.assertEqual(lines[1], words)

    async def test_as_authenticators_have_it(self):
        """The realm's authenticators are asked in order: whom one does not let in does not come in, users of WAMP's own
        methods have the role that stands beside them."""
        self.config.write_text(self.config.read_text() + MORE)
        topic = ("--topic", "oro/ping")
        self.assertEqual(await self.explain(1, "--user", "gone", *topic), [
            "refused (disabled): user 'gone' is disabled, [authenticator:tickets] refuses the user"])  # fmt: skip
        self.assertEqual(await self.explain(1, "--user", "zoe", *topic), [
            "refused (unknown_user): none of [authenticator:tickets], [authenticator:cookie] knows a user 'zoe'"
        ])  # fmt: skip
        self.configure("authenticators = tickets cookie", "authenticators = keys old")
        self.assertIn("to user 'robo' (role robot) in oro", (await self.explain(1, "--user", "robo", *topic))[0])
        self.assertIn("to user 'gone' (id 2; role staff) in oro", (await self.explain(0, "--user", "gone", *topic))[0])
        self.configure("publisher_from = loopback\n", "")
        self.configure("authenticators = keys old", "authenticators = cookie")
        self.assertIn("to user 'anna' (id 1; role staff) in oro", (await self.explain(0, "--user", "anna", *topic))[0])

    async def test_authorizer_that_answers_later(self):
        """The words of the authorizer that decides are shown; it sees the user with organizations and roles."""
        self.configure("authorizers = topics:oro", "authorizers = later topics:oro")
        self.configure("user.anna = 1 env:HASH", "user.anna = 1 env:HASH organizations=7 roles=ROLE_X")
        later = "[authorizer:later]\nuse = tests.cli.test_explain:Later\n"
        self.config.write_text(self.config.read_text() + later)
        self.assertEqual(await self.explain(0, "--user", "anna", "--topic", "later.x"), [
            "ALLOW subscribe later.x to user 'anna' (id 1; role user; organizations 7; Oro roles ROLE_X) in oro",
            "Later says so"])  # fmt: skip
        self.assertEqual(await self.explain(3, "--user", "anna", "--topic", "broken"), [])
        self.assertEqual(
            self.err, 'unreachable (no_answer): authorizer "later" gave no answer (raised), so it is denied\n'
        )

    async def test_authorizer_elsewhere(self):
        """A procedure of a realm decides in a running router alone: here it is no refusal, but no answer."""
        self.configure("authorizers = topics:oro", "authorizers = far topics:oro")
        far = "[authorizer:far]\nuse = remote\nprocedure = com.example.decide\nregistered_by = backend\n"
        self.config.write_text(self.config.read_text() + far)
        self.assertEqual(await self.explain(3, "--user", "anna", "--topic", "oro/ping"), [])
        self.assertTrue(self.err.startswith('unreachable (no_answer): authorizer "far" gave no answer ('), self.err)

    async def test_wrong_use(self):
        """Status 2, with what to write."""
        for arguments, words in (
            ([], "say who: --user NAME, --back-end, or --role ROLE"),
            (["--back-end", "--realm", "orro"], "there is no [realm:orro], did you mean oro?"),
            (["--back-end", "--action", "publish", "--match", "prefix"], "publish goes with exact names alone"),
            (["--back-end", "--match", "wildcard", "--topic", "a b"], "'a b': not a well-formed URI"),
            (["--back-end", "--action", "call", "--topic", "a..b"], "'a..b': not a well-formed URI"),
        ):
            topic = [] if "--topic" in arguments else ["--topic", "x"]
            self.assertEqual(await self.explain(2, *arguments, *topic), [])
            self.assertIn(words, self.err)
        self.configure("publisher_from = loopback\n", "")
        self.configure("authenticators = tickets cookie", "authenticators = cookie")
        self.assertEqual(await self.explain(2, "--back-end", "--topic", "x"), [])
        self.assertIn("no authenticator of that realm knows a back end", self.err)
        self.config.write_text(self.config.read_text() + "[realm:other]\nauthenticators = cookie\nauthorizers = roles\n"
                               "[notifications]\nrealm = oro\n")  # fmt: skip
        self.configure("[realm:oro]", "realm = oro\n[realm:oro]")
        self.assertEqual(await self.explain(2, "--user", "anna", "--topic", "x"), [])
        self.assertIn("name one with --realm: oro, other", self.err)

    async def test_unreachable(self):
        """A directory that is down is no refusal; what was started for the question is stopped."""
        self.configure("secret = env:SECRET\ndirectory = people", "secret = env:SECRET\ndirectory = down")
        self.assertEqual(await self.explain(3, "--user", "anna", "--topic", "oro/ping"), [])
        self.assertEqual((self.err, RUNNING), ("unreachable (directory_down): [directory:down] it is down\n", []))
        await self.explain(0, "--role", "user", "--topic", "oro/ping")

    async def test_authorizers_that_cannot_be_made(self):
        """Their faults are those of the configuration."""
        self.configure("subscribe = user staff", "channel.a/{b} = b (?=x)y")
        self.assertEqual(await self.explain(2, "--user", "anna", "--topic", "oro/ping"), [])
        self.assertIn("[topics:oro] channel.a/{b}:", self.err)
