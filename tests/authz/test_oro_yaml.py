"""websocket_routing.yml as values."""

from __future__ import annotations

from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.oro_yaml import Import, Route, Written, read
from orosync.config.yaml_document import LARGEST

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
                        oro=True,
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

    def test_current_names(self) -> None:
        """pattern and callback are the names that replace channel and handler; defaults and options may stand beside
        them, and null is as if it were not written."""
        text = (
            "r:\n  pattern: a/{x}\n  callback: h\n  channel: ~\n  requirements: {x: '\\w+'}\n"
            "  defaults: {x: 1, y: [2], z: ~}\n  options: {utf8: true, foo: {bar: [1]}}\n  exclude: ignored\n  type:\n"
        )
        expected = Route(
            Written("r", 1),
            Written("a/{x}", 2),
            Written("h", 3),
            {"x": Written(r"\w+", 5)},
            frozenset("xy"),
        )
        self.assertEqual(read(text.encode()), ((expected,), ()))

    def test_wildcard(self) -> None:
        """wildcard is on as PHP takes a value: only false, null, 0, "0" and an empty text are off."""
        for value, on in (
            ("true", True), ("1", True), ("12", True), ("yes", True), ("no", True), ("'false'", True), ("x", True),
            ("false", False), ("False", False), ("0", False), ("~", False), ("''", False), ("'0'", False),
        ):  # fmt: skip
            text = f"r: {{channel: 'a/{{x}}', handler: h, requirements: {{x: {{pattern: b, wildcard: {value}}}}}}}"
            ((one,), faults) = read(text.encode())
            assert isinstance(one, Route)
            self.assertEqual(
                (one.requirements["x"].text, one.problems, faults), ("b|\\*" if on else "b", (), ()), value
            )

    def test_import(self) -> None:
        """An entry with resource stands for another file's routes."""
        text = "m: {resource: more.yml, type: yaml, requirements: {x: a}, defaults: {y: 1}, options: {utf8: true}}"
        expected = Import(Written("m", 1), Written("more.yml", 1), "yaml", {"x": Written("a", 1)}, frozenset("y"))
        self.assertEqual(read(text.encode()), ((expected,), ()))

    def test_nothing(self) -> None:
        """An empty file and one of comments have no routes and no fault."""
        for text in ("", "\n", "# none yet\n", "\ufeff", "~"):
            self.assertEqual(read(text.encode()), ((), ()), repr(text))

    def test_words_of_yaml_1_1(self) -> None:
        """on, off, yes and no are words to Symfony and therefore to Oro, also as keys."""
        ((one,), faults) = read(b"on:\n  channel: yes\n  handler: {callback: off}\n  requirements: {no: No}\n")
        self.assertEqual((one.name.text, one.channel.text, one.callback.text), ("on", "yes", "off"))
        self.assertEqual((dict(one.requirements), faults), ({"no": Written("No", 4)}, ()))


class FaultyTests(SynchronousTestCase):
    """Files with faults."""

    def test_one_by_one(self) -> None:
        """What is wrong, and in which line: of one entry, which is still there to be denied, or of the file."""
        twice = "stands here a second time, remove one of the two"
        known = "pattern, channel, callback, handler, requirements, defaults, options, resource, type, exclude"
        entries = [
            ("channel: 1\nhandler: h", 2, "'1' is no text but a number or date, put it in quotes"),
            ("channel: 1e3\nhandler: h", 2, "'1e3' is no text but a number or date, put it in quotes"),
            ("channel: 2026-11-25\nhandler: h", 2, "'2026-11-25' is no text but a number or date, put it in quotes"),
            ("channel: true\nhandler: h", 2, "'true' is no text (bool), put it in quotes"),
            ("channel: ~\nhandler: h", 1, "pattern is missing, add it"),
            ("channel:\nhandler: h", 1, "pattern is missing, add it"),
            ("channel: [a]\nhandler: h", 2, "is no text, write one word behind the colon"),
            ("channel: !x a\nhandler: h", 2, "'a' is no text (!x), put it in quotes"),
            ("channel: !!python/name:os.system a\nhandler: h", 2, "'a' is no text (os.system), put it in quotes"),
            ("channel: !php/const X\nhandler: h", 2, "'X' is no text (!php/const), put it in quotes"),
            ("handler: h", 1, "pattern is missing, add it"),
            ("channel: a", 1, "callback is missing, add it"),
            ("channel: a\npattern: a\nhandler: h", 2, "pattern and channel are the same, remove one of the two"),
            ("channel: a\ncallback: h\nhandler: h", 4, "callback and handler are the same, remove one of the two"),
            ("channel: a\ncallback: h\nhandler: {callback: h}", 4,
             "callback and handler are the same, remove one of the two"),
            ("channel: a\ncallback: {callback: h}", 3, "is no text, write one word behind the colon"),
            ("channel: a\nhandler: {}", 3, "the handler has no callback, add it"),
            ("channel: a\nhandler: [a, b]", 3, "is no text, write one word behind the colon"),
            ("channel: a\nhandler: h\ntype: yaml", 4, "type belongs to an import, which has a resource"),
            ("channel: a\nhandler: h\nhandlr: h", 4, "handlr is not known here, did you mean handler?"),
            ("channel: a\nhandler: h\nwhatever: h", 4, f"whatever is not known here, only these are: {known}"),
            ("channel: a\nchannel: b\nhandler: h", 3, f"channel {twice}"),
            ("channel: a\nhandler: h\noptions: {compiler_class: X}", 4,
             "the option compiler_class has PHP code of its own match topics"),
            ("channel: a\nhandler: h\noptions: x", 4, "is no mapping, write it like key: value"),
            ("channel: a\nhandler: h\ndefaults: [x]", 4, "is no mapping, write it like key: value"),
            ("channel: a\nhandler: h\nrequirements: {x: {wildcard: true}}", 4,
             "the requirement of x has no pattern, add it"),
            ("channel: a\nhandler: h\nrequirements: {x: {pattern: b, wildcard: 1.0}}", 4,
             "wildcard is true or false, write one of them"),
            ("channel: a\nhandler: h\nrequirements: {x: {pattern: b, wildcard: [a]}}", 4,
             "wildcard is true or false, write one of them"),
            ("channel: a\nhandler: h\nrequirements: {x: 7}", 4,
             "'7' is no text but a number or date, put it in quotes"),
            ("channel: a\nhandler: h\nrequirements: {1: a}", 4,
             "'1' is no text but a number or date, put it in quotes"),
            ("channel: a\nhandler: h\nrequirements: [x]", 4, "is no mapping, write it like key: value"),
            ("resource: a\nchannel: b", 3, "channel and resource exclude each other, remove one of the two"),
            ("resource: a\nexclude: b", 3, "exclude is not read: write an import for each file that is wanted"),
            ("resource: [a]", 2, "is no text, write one word behind the colon"),
            ("resource: a\nrequirements: {x: {pattern: b}}", 3,
             "the requirements of an import are texts, a pattern is not read there"),
        ]  # fmt: skip
        for body, line, words in entries:
            ((one,), faults) = read(route(body).encode())
            self.assertEqual((one.name, one.problems, faults), (Written("r", 1), ((line, words),), ()), body)
        ((one,), faults) = read(b"r: a\n")
        self.assertEqual(one.problems[0], (1, "is no mapping, write it like key: value"))
        files = [
            ("[a, b]\n", 1, "is no mapping, write it like key: value"),
            ("just text\n", 1, "is no mapping, write it like key: value"),
            ("? {a: b}\n: {channel: a, handler: h}\n", 1, "is no text, write one word behind the colon"),
            ("a: &x {channel: a, handler: h}\n", 1, "anchors and aliases are not read, write the text out"),
            ("a: *x\n", 1, "anchors and aliases are not read, write the text out"),
            ("a: 1\n---\nb: 2\n", 2, "is no YAML (but found another document), correct it"),
            ("\n\n" + "[" * 1000, 3, "goes deeper than 16 levels, no file of routes does"),
            ("#" * (LARGEST + 1), 0, "is larger than 65536 bytes, no file of routes is"),
        ]
        for text, line, words in files:
            self.assertEqual(read(text.encode()), ((), ((line, words),)), text[:80])

    def test_twice(self) -> None:
        """Of two entries with one name both are faulty: Symfony's YAML refuses such a file."""
        entries, faults = read(b"r: {channel: a, handler: h}\nr: {channel: b, handler: h}\n")
        problem = (2, "stands here a second time, remove one of the two")
        self.assertEqual(([one.problems for one in entries], faults), ([(problem,), (problem,)], ()))

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
        """A problem costs its own route alone; the others are read and their problems told too."""
        text = "a: {channel: 1, handler: h}\nb: {channel: b, handler: h}\nc: {channel: 2, handlr: h}\n"
        entries, faults = read(text.encode())
        self.assertEqual(([one.name.text for one in entries], faults), (["a", "b", "c"], ()))
        self.assertEqual([[line for line, _ in one.problems] for one in entries], [[1], [], [3, 3, 3]])

    def test_without_the_c_library(self) -> None:
        """The answers are the same where PyYAML came without libyaml."""
        import yaml

        with mock.patch.object(yaml, "CSafeLoader", yaml.SafeLoader):
            self.test_one_by_one()
            self.test_no_yaml()

    @given(st.text(alphabet="ab:{}[]'\"\n -?&*!|>#%@`,\t0~\x00\u00e9", max_size=40) | st.text(max_size=20))
    def test_any_text(self, text: str) -> None:
        """Whatever stands in a file, it is routes or faults, never an exception."""
        entries, faults = read(text.encode("utf-8", "surrogatepass"))
        for one in entries:
            self.assertTrue(one.name.line)
            if isinstance(one, Route) and not one.problems:
                self.assertTrue(one.channel is not None and one.callback is not None)
        for line, words in faults:
            self.assertGreaterEqual(line, 0)
            self.assertTrue(words)
