"""Tests of orosync.config.readers."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.config import readers
from orosync.config.readers import BUILTIN, Reader, Source
from tests.config.files import FilesCase

HERE = Source(Path("/etc/orosync"), {"CREDENTIALS_DIRECTORY": "/run/credentials/orosync", "EMPTY": ""})

GOOD: list[tuple[Reader, str, Any]] = [
    (readers.plain, "any % text", "any % text"),
    (readers.name, "topics:oro", "topics:oro"),
    (readers.name, "user@example.com", "user@example.com"),
    (readers.names, "ticket, guest\n other", ("ticket", "guest", "other")),
    (readers.boolean, "yes", True),
    (readers.boolean, "On", True),
    (readers.boolean, "false", False),
    (readers.choice("a", "b"), "b", "b"),
    (readers.span, "0s", 0.0),
    (readers.duration, "250ms", 0.25),
    (readers.duration, "5s", 5.0),
    (readers.duration, "1.5m", 90.0),
    (readers.duration, "1h", 3600.0),
    (readers.size, "512B", 512),
    (readers.size, "64KiB", 65536),
    (readers.size, "1MiB", 1048576),
    (readers.size, "2GiB", 2147483648),
    (readers.count, "128", 128),
    (readers.networks, "10.0.0.0/8, 192.0.2.7", (ip_network("10.0.0.0/8"), ip_network("192.0.2.7/32"))),
    (readers.networks, "loopback", (ip_network("127.0.0.0/8"), ip_network("::1/128"))),
    (readers.networks, "2001:db8::/32", (ip_network("2001:db8::/32"),)),
    (readers.origins, "https://Shop.Example.com, 127.0.0.1", ("https://shop.example.com", "127.0.0.1")),
    (readers.origins, "https://a:443 http://a:80 https://a:8443", ("https://a", "http://a", "https://a:8443")),
    (readers.origins, "[::1] http://[::1]:8080 localhost", ("[::1]", "http://[::1]:8080", "localhost")),
    (readers.expanded, "/srv/x", Path("/srv/x")),
    (readers.expanded, "keys/x", Path("/etc/orosync/keys/x")),
    (readers.expanded, "${CREDENTIALS_DIRECTORY}/x", Path("/run/credentials/orosync/x")),
    (readers.web_path, "/ws", "/ws"),
    (readers.table, "oro_user", "oro_user"),
    (readers.table, "public.orosync_user", "public.orosync_user"),
    (readers.factory, "acme.auth:Cookie.make", "acme.auth:Cookie.make"),
]

BAD: list[tuple[Reader, str, str]] = [
    (readers.name, "two words", "'two words' is not a name, use letters, digits and . _ - only"),
    (readers.names, "a b a", "a is listed twice, remove one of the two"),
    (readers.boolean, "maybe", "'maybe' is neither yes nor no, write one of them"),
    (
        readers.choice("required", "optional"),
        "optionel",
        "'optionel' is not known, write required or optional, did you mean optional?",
    ),
    (readers.span, "5", "'5' is not a duration, write 5s for seconds"),
    (readers.duration, "5 s", "'5 s' is not a duration, write it like 250ms, 5s, 2m or 1h"),
    (readers.duration, "\u0665s", "'\u0665s' is not a duration, write it like 250ms, 5s, 2m or 1h"),
    (readers.duration, "-5s", "'-5s' is not a duration, write it like 250ms, 5s, 2m or 1h"),
    (readers.duration, "1e9s", "'1e9s' is not a duration, write it like 250ms, 5s, 2m or 1h"),
    (readers.duration, "0ms", "0ms is no time at all, write more than that"),
    (readers.size, "65536", "'65536' is not a size, write 65536B for bytes"),
    (readers.size, "64kb", "'64kb' is not a size, write it like 512B, 64KiB or 1MiB"),
    (readers.size, "0KiB", "0KiB lets nothing through, write at least 1B"),
    (readers.count, "0", "'0' is not a number from 1 to 999999999, write one"),
    (readers.count, "1_0", "'1_0' is not a number from 1 to 999999999, write one"),
    (readers.networks, "10.0.0.1/8", "10.0.0.1/8 names a host within a network, write 10.0.0.0/8 or the address alone"),
    (
        readers.networks,
        "localhost",
        "'localhost' is not a network, write it like 10.0.0.0/8, 192.0.2.7 or loopback",
    ),
    (readers.origins, "*", "'*' could be any page, list each host by its name"),
    (readers.origins, "https://*.example.com", "'https://*.example.com' could be any page, list each host by its name"),
    (readers.origins, "null", "'null' could be any page, list each host by its name"),
    (readers.origins, "https://a/", "'https://a/' has a path, end it after the host"),
    (readers.origins, "a:8443", "'a:8443' is not an origin, write https://host, https://host:port or host"),
    (readers.origins, "null;", "'null;' is not an origin, write https://host, https://host:port or host"),
    (readers.expanded, "${NO_SUCH}/x", "the environment has no NO_SUCH, set it or write the path out"),
    (readers.expanded, "${EMPTY}/x", "the environment has no EMPTY, set it or write the path out"),
    (readers.expanded, "$HOME/x", "the path holds a $ that is no ${NAME}, write variables in braces"),
    (readers.web_path, "ws", "'ws' is not a path of a URL, write it like /ws"),
    (readers.web_path, "/ws?a", "'/ws?a' is not a path of a URL, write it like /ws"),
    (readers.factory, "acme:", "'acme:' names no factory, write it like package.module:factory"),
    (
        readers.table,
        "oro_user; DROP",
        "'oro_user; DROP' is no name of a table, write it like oro_user or public.oro_user",
    ),
    (readers.table, "a.b.c", "'a.b.c' is no name of a table, write it like oro_user or public.oro_user"),
    (readers.factory, "acme auth:x", "'acme auth:x' names no factory, write it like package.module:factory"),
]


class Readers(SynchronousTestCase):
    """Single values."""

    def test_good(self) -> None:
        """What the reference page promises can be written."""
        for read, text, expected in GOOD:
            self.assertEqual(read(text, HERE), expected, text)

    def test_bad(self) -> None:
        """What cannot be read says what is wrong and what to do."""
        for read, text, words in BAD:
            self.assertEqual(str(self.assertRaises(ValueError, read, text, HERE)), words)

    def test_near_words(self) -> None:
        """A near miss is recognised in any case; something far off suggests nothing."""
        self.assertEqual(readers.did_you_mean("Orgins", ["origins", "origin", "path"]), ", did you mean origins?")
        self.assertEqual(readers.did_you_mean("xyz", ["origins"]), "")

    def test_at(self) -> None:
        """A line of a text is told by file and number; a text that stands in no file has neither."""
        place = Source(Path("/etc/orosync"), {}, "router.ini", "role:user", (34, 36))
        self.assertEqual([place.at(), place.at(1), BUILTIN.at()], ["router.ini:34", "router.ini:36", ""])

    def test_environment_stays_out_of_repr(self) -> None:
        """A Source's repr does not show the environment."""
        self.assertNotIn("credentials", repr(HERE))


class Files(FilesCase):
    """Files that must be there."""

    def test_existing(self) -> None:
        """A file that can be read is its path."""
        path = self.write("x", "cert.pem")
        self.assertEqual(readers.existing_file("cert.pem", Source(self.directory, {})), path)

    def test_missing(self) -> None:
        """A missing file and a directory are faults."""
        for text, why in (("/nowhere/at/all", "No such file or directory"), (str(self.directory), "Is a directory")):
            error = self.assertRaises(ValueError, readers.existing_file, text, BUILTIN)
            self.assertEqual(str(error), f"{text} cannot be read ({why}), correct the path or its rights")

    def test_directories(self) -> None:
        """Directories that are there, and that strangers cannot put anything into."""
        place = Source(self.directory, {})
        (self.directory / "open").mkdir()
        (self.directory / "open").chmod(0o777)
        self.write("x", "file")
        self.assertEqual(readers.directories(". /usr", place), (self.directory, Path("/usr")))
        for text, why in (
            ("nowhere", "cannot be read (No such file or directory), correct the path or its rights"),
            ("file", "is no directory, name one"),
            ("open", "can be written by all users of this machine, remove that permission (chmod o-w)"),
        ):
            error = self.assertRaises(ValueError, readers.directories, text, place)
            self.assertEqual(str(error), f"{self.directory / text} {why}")
