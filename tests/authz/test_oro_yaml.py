"""websocket_routing.yml as values."""

from __future__ import annotations

import sys
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.authz import oro_yaml
from orosync.authz.oro_yaml import Route, Written, read

MAIL = r"""
# Oro's own form
oro_email.event:
    channel: 'oro/email_event/{user_id}/{organization_id}'
    handler:
        callback: 'oro_email.event'
    requirements:
        user_id:
            pattern: '\d+'
        organization_id:
            pattern: '\d+'
            wildcard: true
"""


def route(body: str) -> str:
    """A file with one route, the lines of which stand from line 2 on."""
    return "r:\n" + "\n".join(f"  {line}" for line in body.split("\n")) + "\n"


class SoundTests(SynchronousTestCase):
    """Files without a fault."""

    def test_oros_form(self) -> None:
        """Each text with its line; a wildcard is one more alternative, as Oro writes it."""
        self.assertEqual(
            read(MAIL.encode()),
            (
                (
                    Route(
                        Written("oro_email.event", 3),
                        Written("oro/email_event/{user_id}/{organization_id}", 4),
                        Written("oro_email.event", 6),
                        {"user_id": Written(r"\d+", 9), "organization_id": Written(r"\d+|\*", 11)},
                    ),
                ),
                (),
            ),
        )

    def test_short_form(self) -> None:
        """The handler and a requirement may be one word, as the router behind Oro's has it."""
        text = "r:\n  channel: a/{x}\n  handler: h\n  requirements: {x: '[a-z]+'}\n"
        ((one,), faults) = read(text.encode())
        self.assertEqual((one.callback, dict(one.requirements)), (Written("h", 3), {"x": Written("[a-z]+", 4)}))
        self.assertEqual(faults, ())

    def test_nothing(self) -> None:
        """An empty file and one of comments have no routes and no fault."""
        for text in ("", "\n", "# none yet\n", "\ufeff"):
            self.assertEqual(read(text.encode()), ((), ()), repr(text))

    def test_words_of_yaml_1_1(self) -> None:
        """on, off, yes and no are words to Symfony and therefore to Oro, also as keys."""
        ((one,), faults) = read(b"on:\n  channel: yes\n  handler: {callback: off}\n  requirements: {no: No}\n")
        self.assertEqual((one.name.text, one.channel.text, one.callback.text), ("on", "yes", "off"))
        self.assertEqual((dict(one.requirements), faults), ({"no": Written("No", 4)}, ()))


class FaultyTests(SynchronousTestCase):
    """Files with faults."""

    def test_one_by_one(self) -> None:
        """What is wrong, and in which line."""
        table = [
            (route("channel: 1\nhandler: h"), 2, "r: '1' is no text (int), put it in quotes"),
            (route("channel: 2026-11-25\nhandler: h"), 2, "r: '2026-11-25' is no text (timestamp), put it in quotes"),
            (route("channel: true\nhandler: h"), 2, "r: 'true' is no text (bool), put it in quotes"),
            (route("channel: ~\nhandler: h"), 2, "r: '~' is no text (null), put it in quotes"),
            (route("channel:\nhandler: h"), 2, "r: '' is no text (null), put it in quotes"),
            (route("channel: [a]\nhandler: h"), 2, "r: is no text, write one word behind the colon"),
            (route("channel: !x a\nhandler: h"), 2, "r: 'a' is no text (!x), put it in quotes"),
            (route("channel: !!python/name:os.system a\nhandler: h"), 2,
             "r: 'a' is no text (os.system), put it in quotes"),
            (route("handler: h"), 1, "r: channel is missing, add it"),
            (route("channel: a"), 1, "r: handler is missing, add it"),
            (route("channel: a\nhandler: {}"), 3, "r: the handler has no callback, add it"),
            (route("channel: a\nhandler: {callback: h, callbck: h}"), 3,
             "r: callbck is not known here, did you mean callback?"),
            (route("channel: a\nhandler: h\ndefaults: {x: 1}"), 4,
             "r: defaults is not known here, only these are: channel, handler, requirements"),
            (route("channel: a\nchannel: b\nhandler: h"), 3,
             "r: channel stands here a second time, remove one of the two"),
            (route("channel: a\nhandler: h\nrequirements: {x: {wildcard: true}}"), 4,
             "r: the requirement of x has no pattern, add it"),
            (route("channel: a\nhandler: h\nrequirements: {x: {pattern: b, wildcard: no}}"), 4,
             "r: wildcard is true or false, write one of them"),
            (route("channel: a\nhandler: h\nrequirements: {x: {pattern: b, wildcard: 'true'}}"), 4,
             "r: wildcard is true or false, write one of them"),
            (route("channel: a\nhandler: h\nrequirements: [x]"), 4, "r: is no mapping, write it like key: value"),
            ("r: a\n", 1, "r: is no mapping, write it like key: value"),
            ("[a, b]\n", 1, "is no mapping, write it like key: value"),
            ("just text\n", 1, "is no mapping, write it like key: value"),
            ("r: {channel: a, handler: h}\nr: {channel: b, handler: h}\n", 2,
             "r stands here a second time, remove one of the two"),
            ("1: {channel: a, handler: h}\n", 1, "'1' is no text (int), put it in quotes"),
            ("? {a: b}\n: {channel: a, handler: h}\n", 1, "is no text, write one word behind the colon"),
            ("a: &x {channel: a, handler: h}\n", 1, "anchors and aliases are not read, write the text out"),
            ("a: *x\n", 1, "anchors and aliases are not read, write the text out"),
            ("a: 1\n---\nb: 2\n", 2, "is no YAML (but found another document), correct it"),
            ("\n\n" + "[" * 1000, 3, "goes deeper than 8 levels, no route does"),
            ("#" * (oro_yaml.LARGEST + 1), 0, "is larger than 65536 bytes, no file of routes is"),
        ]  # fmt: skip
        for text, line, words in table:
            routes, faults = read(text.encode())
            self.assertEqual(faults, ((line, words),), text[:80])
            self.assertLessEqual(len(routes), 1)

    def test_no_yaml(self) -> None:
        """Text that is no YAML, with the line and what the parser says."""
        for text, line in (("a: b: c\n", 1), ("a:\n\tb: c\n", 2), ('a:\n  channel: "\\d+"\n', 2), ("a: 'b\n", 2)):
            routes, ((at, words),) = read(text.encode())
            self.assertEqual((routes, at), ((), line), text)
            self.assertTrue(words.startswith("is no YAML (") and words.endswith("), correct it"), words)
        self.assertEqual(read(b"a: b\nc: \xff\n"), ((), ((2, "is not text in UTF-8"),)))
        ((_, words),) = read(b"a: \x07\n")[1]
        self.assertTrue(words.startswith("is no YAML ("), words)

    def test_all_at_once(self) -> None:
        """A fault costs its own route alone; the others are read and their faults told too."""
        text = "a: {channel: 1, handler: h}\nb: {channel: b, handler: h}\nc: {channel: 2, handlr: h}\n"
        routes, faults = read(text.encode())
        self.assertEqual([one.name.text for one in routes], ["b"])
        self.assertEqual([line for line, _ in faults], [1, 3, 3, 3])

    def test_without_the_c_library(self) -> None:
        """The answers are the same where PyYAML came without libyaml."""
        import yaml

        with mock.patch.object(yaml, "CSafeLoader", yaml.SafeLoader):
            self.test_one_by_one()
            self.test_no_yaml()

    def test_missing(self) -> None:
        """Without PyYAML it is said what to install."""
        self.assertEqual(oro_yaml.missing(), "")
        self.patch(sys, "modules", {**sys.modules, "yaml": None})
        self.assertIn(" -m pip install '.[oro]'", oro_yaml.missing())

    @given(st.text(alphabet="ab:{}[]'\"\n -?&*!|>#%@`,\t0~\x00\u00e9", max_size=40) | st.text(max_size=20))
    def test_any_text(self, text: str) -> None:
        """Whatever stands in a file, it is routes or faults, never an exception."""
        routes, faults = read(text.encode("utf-8", "surrogatepass"))
        for one in routes:
            self.assertTrue(one.name.line and isinstance(one.channel.text, str))
        for line, words in faults:
            self.assertGreaterEqual(line, 0)
            self.assertTrue(words)
