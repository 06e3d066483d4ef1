"""Tests of orosync.config.backplane: [backplane] as an administrator writes it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from orosync.config import backplane
from orosync.config.reference import TABLES
from tests.config.files import ENVIRON, SECRET, SOUND, FilesCase

WORKERS = "[router]\nworkers = 2\n"
KEY = "k" * 32
VARIABLES: Mapping[str, str] = {
    **ENVIRON,
    "DSN": "redis://orosync:top-secret@h/2",
    "KEY": KEY,
    "OLD_KEY": "o" * 32,
    "SHORT": "s" * 31,
}
REDIS = ("use = redis", "dsn = env:DSN", "secret = env:KEY")


class Sections(FilesCase):
    """What joins the nodes of a router."""

    def loaded(self, *lines: str, router: str = "") -> object:
        """The section with these lines."""
        return self.load(SOUND + router + "[backplane]\n" + "\n".join(lines) + "\n", VARIABLES).backplane

    def fault(self, *lines: str, router: str = "") -> str:
        """The one fault of a section with these lines."""
        (fault,) = self.faults(SOUND + router + "[backplane]\n" + "\n".join(lines) + "\n", VARIABLES)
        return fault

    def test_one_process(self) -> None:
        """Neither a section nor a default for it."""
        self.assertIsNone(self.load(SOUND).backplane)
        self.assertIsNone(self.load(SOUND + "[router]\nworkers = 1\n").backplane)

    def test_workers(self) -> None:
        """Several processes need no section; with one they may keep more."""
        default = self.load(SOUND + WORKERS).backplane
        assert isinstance(default, backplane.LocalBackplaneSection)
        self.assertEqual((default.resend, default.resend_bytes, default.when_away), (30.0, 16 << 20, "deliver"))
        self.assertEqual(self.loaded("use = local", router=WORKERS), default)
        longer = self.loaded("use = local", "resend = 2m", "when_away = refuse", router=WORKERS)
        assert isinstance(longer, backplane.LocalBackplaneSection)
        self.assertEqual((longer.resend, longer.when_away), (120.0, "refuse"))

    def test_as_many_as_processors(self) -> None:
        """``auto`` counts those that this process may use."""
        usable = len(os.sched_getaffinity(0))
        self.assertEqual(self.load(SOUND + "[router]\nworkers = auto\n").router.workers, usable)

    def test_local_without_workers(self) -> None:
        """There would be nothing to join."""
        self.assertRegex(
            self.fault("use = local"),
            r"^\[backplane\] use: local joins the workers of one machine, .* write workers = 2 .* \(line 20\)$",
        )

    def test_redis(self) -> None:
        """With one process on each machine, or with several."""
        for router in ("", WORKERS):
            found = self.loaded(*REDIS, router=router)
            assert isinstance(found, backplane.RedisBackplaneSection)
            self.assertEqual((found.secret.value, found.previous_secret, found.prefix), (KEY, None, "orosync"))
            self.assertEqual((found.timeout, found.ca, found.resend), (2.0, None, 30.0))

    def test_plugin(self) -> None:
        """Its options are followed; the keys that concern nodes are ours."""
        found = self.loaded(
            "use = acme.nats:Backplane", "secret = env:KEY", "resend = 1m", "server = n1", "pw = env:DSN"
        )
        assert isinstance(found, backplane.PluginBackplaneSection)
        self.assertEqual((found.use, found.resend), ("acme.nats:Backplane", 60.0))
        self.assertEqual(found.extra, {"server": "n1", "pw": VARIABLES["DSN"]})

    def test_secrets_are_not_shown(self) -> None:
        """Neither the key nor the password of Redis."""
        plugin = self.loaded("use = acme.nats:Backplane", "secret = env:KEY", "pw = env:DSN")
        shown = repr([self.loaded(*REDIS, "previous_secret = env:OLD_KEY"), plugin])
        self.assertIn("env:OLD_KEY", shown)
        for hidden in (KEY, "oooo", "top-secret"):
            self.assertNotIn(hidden, shown)

    def test_faults(self) -> None:
        """Each says what is wrong and what to write."""
        table = [
            (("use = reddis",), "'reddis' is not known, did you mean redis?"),
            (("resend = 30s",), "use: is missing, write use = local or redis or package.module:factory"),
            (("use = redis", "dsn = env:DSN"), "secret: is missing, add a line like: secret = file:/etc/orosync/"),
            ((*REDIS[:2], "secret = env:SHORT"), "secret: env:SHORT is too short (31 bytes), use at least 32"),
            ((*REDIS[:2], f"secret = {KEY}"), "secret: a secret never stands in this file"),
            ((*REDIS, "previous_secret = env:KEY"), "previous_secret: is the same as secret, remove the line"),
            ((*REDIS, "url = redis://h"), "url: is no key of [backplane], its keys are ca, dsn,"),
            ((*REDIS, "when_away = drop"), "when_away: 'drop' is not known, write deliver or refuse"),
            (("use = redis", "dsn = env:KEY", "secret = env:KEY"), "dsn: env:KEY is not a DSN of Redis"),
            (("use = acme:", "secret = env:KEY"), "use: 'acme:' names no factory, write it like"),
        ]
        for lines, words in table:
            self.assertIn(words, self.fault(*lines))
        self.assertIn("[backplane:x]: takes no name, write [backplane]", self.faults(SOUND + "[backplane:x]\n")[0])
        (fault,) = self.faults(SOUND + "[router]\nworkers = few\n")
        self.assertIn("workers: 'few' is not a number from 1 on, write one or auto", fault)

    def test_a_key_of_its_own(self) -> None:
        """Oro's secret is known to everything that makes tickets."""
        for key, lines in (
            ("secret", (*REDIS[:2], "secret = env:ORO_SECRET")),
            ("previous_secret", (*REDIS, "previous_secret = env:ORO_SECRET")),
        ):
            self.assertEqual(len(SECRET), 32)
            self.assertRegex(
                self.fault(*lines),
                rf"^\[backplane\] {key}: is that of \[authenticator:ticket\], which PHP knows: make a key .* \(line",
            )

    def test_names_of_nodes(self) -> None:
        """A name that many machines have is warned of; workers of one machine are named apart anyway."""
        text = SOUND + "[router]\nnode = localhost.localdomain\n{}[backplane]\n"
        (warning,) = self.load(text.format("") + "\n".join(REDIS) + "\n", VARIABLES).warnings
        self.assertRegex(
            warning, r"^\[router\] node: localhost.localdomain may be the name of other .* node = ws1 \(line"
        )
        self.assertEqual(self.load(text.format("workers = 2\n") + "use = local\n", VARIABLES).warnings, ())

    def test_tables_of_the_reference(self) -> None:
        """One for each ``use``."""
        tables = [title for title in TABLES if title.startswith("backplane")]
        self.assertEqual(len(tables), len(backplane.BACKPLANES) + 1)
