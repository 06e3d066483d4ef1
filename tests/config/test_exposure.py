"""Tests of orosync.config.exposure: real files and directories, real modes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from orosync.config import exposure
from tests.config.files import SECRET, SOUND, FilesCase, pem

OTHERS, GROUP, READ = "changed by all users", "changed by its group", "read by all users"


class Exposure(FilesCase):
    """What others may do with a file or directory; the test's own directory is for its owner alone."""

    def secret(self, mode: int, directory: Path | None = None) -> list[str]:
        path = (directory or self.directory) / "secret"
        path.write_text(SECRET)
        path.chmod(mode)
        return list(exposure.of_secret(path, path.stat()))

    def test_modes_of_secrets(self) -> None:
        """Others and the group may not change it, others not read it; a group that reads is the usual way to share."""
        for mode, words in {
            0o600: [], 0o400: [], 0o640: [], 0o440: [],
            0o644: [READ], 0o604: [READ], 0o664: [GROUP, READ], 0o660: [GROUP], 0o620: [GROUP],
            0o602: [OTHERS], 0o606: [OTHERS, READ], 0o666: [OTHERS, READ], 0o777: [OTHERS, READ],
        }.items():  # fmt: skip
            found = self.secret(mode)
            self.assertEqual(len(found), len(words), (oct(mode), found))
            for sentence, word in zip(found, words, strict=True):
                self.assertIn(word, sentence)
                self.assertIn("chmod", sentence)
                self.assertTrue(sentence.startswith(str(self.directory / "secret")), sentence)

    def test_directories_of_secrets(self) -> None:
        """In a directory that all users can write to, others can put another file in its place, with the sticky bit
        too if it is the file's own; further up the sticky bit keeps them from it."""
        for mode, deeper in ((0o777, True), (0o1777, False)):
            place = self.directory / f"open{mode:o}"
            (place / "own").mkdir(parents=True)
            place.chmod(mode)
            (found,) = self.secret(0o600, place)
            self.assertIn(f"lies in {place}, where all users of this machine can write", found)
            self.assertEqual(len(self.secret(0o600, place / "own")), deeper, mode)

    def test_links(self) -> None:
        """What a link leads to counts, and so does where the link lies."""
        place = self.directory / "open"
        place.mkdir()
        place.chmod(0o777)
        self.secret(0o600)
        link = place / "link"
        link.symlink_to(self.directory / "secret")
        (found,) = exposure.of_secret(link, link.stat())
        self.assertIn(f"{link} lies in {place}", found)

    def test_pipes(self) -> None:
        """What is read once and is no file has no rights to speak of."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)
        self.assertEqual(list(exposure.of_secret(Path(f"/proc/self/fd/{reading}"), os.fstat(reading))), [])

    def test_foreign_owners(self) -> None:
        """A file of another user's is that user's to change; root is told about no owner."""
        path = self.write(SECRET, "secret")
        status = os.stat_result((0o100600, 0, 0, 1, 4242, 0, 1, 0, 0, 0))
        self.patch(os, "geteuid", lambda: 1000)
        (found,) = exposure.of_secret(path, status)
        self.assertIn("belongs to another user", found)
        self.patch(os, "geteuid", lambda: 0)
        self.assertEqual(list(exposure.of_secret(path, status)), [])

    def test_plugins(self) -> None:
        """Directories that code is run from, and those above them."""
        place = self.directory / "open"
        own = place / "deep" / "own"
        own.mkdir(parents=True)
        self.addCleanup(lambda: None)
        below_tmp = exposure.open_directory(self.directory)  # tests may well run below /tmp
        for mode in (0o777, 0o1777):
            place.chmod(mode)
            (found,) = exposure.of_plugins(own)
            self.assertIn(f"{own} lies below {place}, where all users of this machine can write", found)
        place.chmod(0o755)
        own.chmod(0o775)
        found = list(exposure.of_plugins(own))
        self.assertEqual(len(found), 1 + (below_tmp is not None), found)
        self.assertIn("can be written by its group", found[0])
        own.chmod(0o757)
        self.assertIn("can be written by all users", next(iter(exposure.of_plugins(own))))

    def test_open_directory(self) -> None:
        """The nearest one counts; /usr has none above it."""
        outer, inner = self.directory / "a", self.directory / "a" / "b"
        inner.mkdir(parents=True)
        outer.chmod(0o777)
        self.assertEqual(exposure.open_directory(inner), outer)
        inner.chmod(0o777)
        self.assertEqual(exposure.open_directory(inner / "not" / "there"), inner)
        self.assertIsNone(exposure.open_directory(Path("/usr/bin")))

    def test_modules(self) -> None:
        """Where a part of one's own would be imported from, without importing it."""
        place = self.directory / "path"
        (place / "acme_pack").mkdir(parents=True)
        (place / "acme_pack" / "__init__.py").write_text("raise AssertionError('imported')")
        (place / "acme_alone.py").write_text("raise AssertionError('imported')")
        self.patch(sys, "path", [*sys.path, str(place)])
        place.chmod(0o777)
        for name in ("acme_pack.auth:make", "acme_alone:make"):
            found = list(exposure.of_module(name))
            self.assertTrue(found, name)
            self.assertIn(str(place), found[0])
            self.assertTrue(found[0].startswith(f"the module {name.partition(':')[0].partition('.')[0]}: "), found)
        for name in ("acme_nowhere:make", "sys:make", "json:make"):
            found = [one for one in exposure.of_module(name) if "json" not in one]
            self.assertEqual(found, [], name)
        self.assertNotIn("acme_pack", sys.modules)


class Keys(FilesCase):
    """The keys whose files are looked at."""

    def test_warnings(self) -> None:
        """Each with section, key and line: a secret, a user's hash, a key of TLS, an option of a part of one's own, the
        directory of plugins, the module of a part, the configuration."""
        for name in ("oro", "hash", "file.pem", "token"):
            self.write(pem() if name == "file.pem" else SECRET, name).chmod(0o644)
        place = self.directory / "open" / "plugins"
        place.mkdir(parents=True)
        place.parent.chmod(0o1777)
        (place / "acme_warned.py").write_text("")
        self.patch(sys, "path", [*sys.path, str(place)])
        text = SOUND.replace("env:ORO_SECRET", "file:oro").replace("env:ADMIN_HASH", "file:hash")
        text = text.replace("endpoint", "certificate = file.pem\nkey = file.pem\nendpoint")
        text = f"[router]\nplugins = {place}\n{text}[authorizer:own]\nuse = acme_warned:make\ntoken = file:token\n"
        found = self.load(text.replace("authorizers = ", "authorizers = own ")).warnings
        for start, line in (
            (f"[router] plugins: {place} lies below {place.parent}", 2),
            (f"[listen:public] key: {self.directory}/file.pem can be read", 5),
            (f"[authenticator:ticket] secret: {self.directory}/oro can be read", 14),
            (f"[directory:people] user.admin: {self.directory}/hash can be read", 19),
            (f"[authorizer:own] use: the module acme_warned: {place} lies below", 24),
            (f"[authorizer:own] token: {self.directory}/token can be read", 25),
        ):
            told = [one for one in found if one.startswith(start)]
            self.assertEqual(len(told), 1, (start, found))
            self.assertTrue(told[0].endswith(f"(line {line})"), told)
        self.assertEqual(len(found), 6)
