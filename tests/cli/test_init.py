"""orosync init: questions, options, files, exit codes. A whole run with databases is in tests/product/test_init.py."""

from __future__ import annotations

import io
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from orosync.cli import init, main
from orosync.cli.streams import Streams
from orosync.config import database_dsn
from tests.authz.oro_application import FILE, route
from tests.config.oro_trees import lay_out

SECRET = "a secret of the application"
URL = ("--application-url", "https://Oro.example.com:443/admin/")


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


class InitCase(TestCase):
    def setUp(self) -> None:
        self.top = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)
        self.output = self.top / "etc"
        environ = mock.patch.dict(
            os.environ, {name: value for name, value in os.environ.items() if not name.startswith("ORO_")}, clear=True
        )
        environ.start()
        self.addCleanup(environ.stop)
        self.tree = lay_out(self.top / "oro", "commerce", "6.1", {"ORO_SECRET": SECRET})

    async def init(self, *arguments: str, typed: str | None = None) -> int:
        """The exit code; what was printed is in ``out`` and ``err``."""
        from twisted.internet import reactor

        stdin = io.StringIO() if typed is None else Terminal(typed)
        streams = Streams(stdin, io.StringIO(), io.StringIO())
        given = ["init", "--from-oro", str(self.tree), "--output", str(self.output), *arguments]
        code = await Deferred.fromCoroutine(main.run(reactor, main.parser().parse_args(given), streams))
        self.out, self.err = streams.stdout.getvalue(), streams.stderr.getvalue()
        return code

    def written(self, name: str) -> str:
        return (self.output / name).read_text()


class FilesTests(InitCase):
    """What is written."""

    async def test_silent(self) -> None:
        """With options nothing is asked, nothing told but where the files are, and only the owner reads secrets."""
        self.assertEqual(await self.init(*URL), 0)
        self.assertEqual((self.err, len(self.out.splitlines())), ("", 1))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in self.output.iterdir()}
        private = {"oro_secret", "db_dsn", "account.sql"}
        public = {"router.ini", "nginx.conf", "systemd-drop-in.conf", "NEXT-STEPS.txt"}
        self.assertEqual(modes, {**dict.fromkeys(private, 0o600), **dict.fromkeys(public, 0o644)})
        self.assertIn("origins = https://oro.example.com 127.0.0.1\n", self.written("router.ini"))
        self.assertEqual(self.written("oro_secret"), SECRET + "\n")

    async def test_nothing_is_overwritten(self) -> None:
        """Not even one file of several; nothing is left behind then."""
        self.output.mkdir()
        (self.output / "db_dsn").write_text("mine")
        self.assertEqual(await self.init(*URL), 2)
        self.assertIn(f"{self.output} has db_dsn already: name another directory (--output), or use --force", self.err)
        self.assertEqual([path.name for path in self.output.iterdir()], ["db_dsn"])
        self.assertEqual(self.written("db_dsn"), "mine")

    async def test_force(self) -> None:
        """Files are replaced, whatever their rights were; the account keeps its password."""
        self.assertEqual(await self.init(*URL), 0)
        before = self.written("db_dsn")
        for path in self.output.iterdir():
            path.chmod(0o666)
        elsewhere = self.top / "elsewhere"
        elsewhere.write_text("untouched")
        (self.output / "oro_secret").unlink()
        (self.output / "oro_secret").symlink_to(elsewhere)
        self.assertEqual(await self.init(*URL, "--force", "--port", "8081"), 0)
        self.assertEqual(self.written("db_dsn"), before)
        self.assertIn(database_dsn.parse(before.strip()).password, self.written("account.sql"))
        self.assertIn(":8081;", self.written("nginx.conf"))
        self.assertEqual(elsewhere.read_text(), "untouched")
        self.assertFalse((self.output / "oro_secret").is_symlink())
        self.assertEqual(stat.S_IMODE((self.output / "oro_secret").stat().st_mode), 0o600)

    async def test_where_nothing_can_be_written(self) -> None:
        """A fault of the file system is told by its name."""
        self.output.write_text("a file")
        self.assertEqual(await self.init(*URL), 2)
        self.assertIn(f"{self.output} cannot be written", self.err)

    async def test_something_is_missing(self) -> None:
        """Status 1, a line for each, and the files all the same."""
        (self.tree / ".env-app.local").unlink()
        self.assertEqual(await self.init(), 1)
        secret, url = self.err.splitlines()
        self.assertIn("ORO_SECRET in .env-app is the secret that Oro is published with", secret)
        self.assertIn("the Application URL is not known", url)
        self.assertIn("origins = https://oro.example.com 127.0.0.1\n", self.written("router.ini"))
        self.assertIn("Not found, or not usable:", self.written("NEXT-STEPS.txt"))

    async def test_channels_of_the_application(self) -> None:
        """A channel that is none of Oro's has its line, to be completed."""
        path = self.tree / "src" / "Acme" / FILE
        path.parent.mkdir(parents=True)
        path.write_text(route("acme.desk", "acme/desk"))
        self.assertEqual(await self.init(*URL), 0)
        text = self.written("router.ini")
        self.assertIn(f"oro_routing = {self.tree}\n", text)
        self.assertIn("#channel.acme/desk = subscribe ", text)
        shutil.rmtree(self.tree / "vendor")
        path.unlink()
        self.assertEqual(await self.init(*URL, "--force"), 1)
        self.assertIn("channels of the application's own are not known", self.err)


class OptionTests(InitCase):
    """Faults of the command line, and of what it leads to."""

    async def test_misuse(self) -> None:
        """Status 2, with what to do."""
        for arguments, words in (
            (("--application-url", "oro.example.com"), "--application-url 'oro.example.com' is not a URL"),
            ((*URL, "--port", "0"), "--port 0 is no port"),
            ((*URL, "--from-oro", str(self.top)), "name the directory of an Oro application"),
        ):
            self.assertEqual(await self.init(*arguments), 2, arguments)
            self.assertIn(words, self.err)
        self.assertFalse(self.output.exists())

    async def test_without_yaml(self) -> None:
        """It is said what to install."""
        self.patch(sys, "modules", {**sys.modules, "yaml": None})
        self.assertEqual(await self.init(*URL), 2)
        self.assertIn("reading an Oro application needs the module yaml", self.err)

    async def test_database_that_cannot_be_asked(self) -> None:
        """The database is asked only if that is permitted; a failure is told without its password."""
        (self.tree / ".env-app.local").write_text(
            f"ORO_SECRET='{SECRET}'\nORO_DB_DSN=postgres://o:hidden@127.0.0.1:1/oro\n"
        )
        with mock.patch.object(init, "_application_url", side_effect=AssertionError):
            self.assertEqual(await self.init(), 1)
            self.assertNotIn("database", self.err)
        self.assertEqual(await self.init("--query-database", "--force"), 1)
        self.assertIn("the Application URL was not read from Oro's database: ", self.err)
        self.assertNotIn("hidden", self.err)
        with mock.patch.object(init, "_application_url", return_value=""):
            self.assertEqual(await self.init("--query-database", "--force"), 1)
        self.assertIn("Oro's database has no Application URL", self.err)

    async def test_proxy_is_derived(self) -> None:
        """Without a word about it: none where pages are plain HTTP and connect to the server's own port."""
        for url, frontend, name in (
            ("http://o.example.com", "//*:8080/ws", ""),
            ("http://o.example.com", "//*:80/ws", "nginx.conf"),
            ("https://o.example.com", "//*:8080/ws", "nginx.conf"),
            ("http://o.example.com", "", ""),
        ):
            with mock.patch.dict(os.environ, {"ORO_WEBSOCKET_FRONTEND_DSN": frontend}):
                self.assertEqual(await self.init("--application-url", url, "--force"), 0)
            self.assertEqual((self.output / "nginx.conf").exists(), bool(name), (url, frontend))
            (self.output / "nginx.conf").unlink(missing_ok=True)


class QuestionTests(InitCase):
    """On a terminal."""

    async def test_answers(self) -> None:
        """An empty answer takes what is suggested, one that cannot be read is asked for again."""
        typed = "no\noro.example.com\nhttps://oro.example.com\nlighttpd\napache\n99999\n\nno\n"
        self.assertEqual(await self.init(typed=typed), 0)
        for words in (
            "'oro.example.com' is not a URL",
            "'lighttpd' is not known",
            "'99999' is no port",
            "Port of orosync [8080]: ",
        ):
            self.assertIn(words, self.err)
        self.assertTrue((self.output / "apache.conf").exists())
        self.assertIn("authenticators = ticket\n", self.written("router.ini"))

    async def test_database(self) -> None:
        """What the database has is suggested, once it may be asked."""
        with mock.patch.object(init, "_application_url", return_value="https://found.example.com/") as asked:
            self.assertEqual(await self.init(typed="yes\n\n\n\n\n"), 0)
        self.assertEqual(len(asked.mock_calls), 1)
        self.assertIn("origins = https://found.example.com 127.0.0.1\n", self.written("router.ini"))

    async def test_options_are_answers(self) -> None:
        """What an option says is not asked; --no-input asks nothing."""
        arguments = (*URL, "--proxy", "none", "--port", "8080", "--no-cookie")
        self.assertEqual(await self.init(*arguments, typed=""), 0)
        self.assertEqual(self.err, "")
        self.assertEqual(await self.init(*URL, "--no-input", "--force", typed=""), 0)

    async def test_end_of_input(self) -> None:
        """Questions without answers write nothing."""
        self.assertEqual(await self.init(typed="no\n"), 2)
        self.assertIn("the questions were not answered", self.err)
        self.assertFalse(self.output.exists())
