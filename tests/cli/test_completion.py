"""Scripts for shells, run by the shells themselves."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import tempfile
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from orosync.cli.completion import SHELLS, commands
from orosync.cli.questions import parser
from tests.support.processes import run

LINES = (
    ("ki", {"kick"}),
    ("maintenance ", {"on", "off", "status"}),
    ("maintenance on --y", {"--yes"}),
    ("sessions --sort ", {"user", "since", "queued", "address"}),
    ("completion z", {"zsh"}),
    ("kick --user ", set()),
)
"""What stands behind "orosync ", and what is offered."""


class Scripts(SynchronousTestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def script(self, shell):
        path = Path(self.directory.name, shell)
        path.write_text(SHELLS[shell](parser()) + "\n")
        return path

    def test_commands(self):
        """Every command of the parser, each after the one that it belongs to."""
        found = [one.path for one in commands(parser())]
        self.assertEqual(found[0], "")
        for path in ("status", "ticket make", "maintenance on"):
            self.assertIn(path, found)
        (kick,) = (one for one in commands(parser()) if one.path == "kick")
        self.assertLessEqual({"--user", "-c", "--config", "--json"}, set(kick.flags))

    def test_bash(self):
        """Commands, options, and the words that options take; files where a file stands."""
        script = self.script("bash")

        def offered(line):
            words = [*shlex.split(line), ""] if line.endswith(" ") else shlex.split(line)
            given = " ".join(map(shlex.quote, ["orosync", *words]))
            setting = f"COMP_WORDS=({given}); COMP_CWORD={len(words)}; _orosync"
            command = f'source {script}; {setting}; printf "%s\\n" "${{COMPREPLY[@]}}"'
            return set(run("bash", "--norc", "-c", command).split()) - {"-h", "--help"}

        for line, words in LINES:
            self.assertEqual(offered(line), words, line)
        self.assertIn("/etc/passwd", offered("status -c /etc/passw"))
        self.assertIn("/etc/passwd", offered("ticket verify -c x /etc/passw"))

    def test_fish(self):
        """The same, with the help of each word."""
        script = self.script("fish")

        def offered(line):
            told = run("fish", "--no-config", "-c", f"source {script}; complete -C 'orosync {line}'")
            return dict((*one.split("\t"), "")[:2] for one in told.splitlines())

        for line, words in LINES:
            self.assertEqual(set(offered(line)), words, line)
        self.assertTrue(offered("ki")["kick"].startswith("end sessions"))
        self.assertIn("/etc/passwd", offered("status -c /etc/passw"))

    def test_zsh(self):
        """At a terminal, as somebody who types it."""
        script = self.script("zsh")
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.directory.name)
            os.execvpe("zsh", ["zsh", "-f", "-i"], {**os.environ, "TERM": "dumb", "PS1": "> "})
        try:
            self.typed(
                terminal,
                f"autoload -U compinit; compinit -u -D; unsetopt zle_bracketed_paste; source {script}; print rea''dy\n",
                "\nready\n",
            )
            for begun, words in (("ki", "kick"), ("maintenance of", "maintenance off"),
                                 ("sessions --sort q", "sessions --sort queued"),
                                 ("maintenance on --y", "maintenance on --yes")):  # fmt: skip
                self.typed(terminal, f"orosync {begun}\t\x01print -r -- \n", f"\norosync {words}\n")
        finally:
            os.close(terminal)
            os.waitpid(child, 0)

    def typed(self, terminal, text, wanted):
        """Type ``text``, and wait until the terminal shows ``wanted``; control sequences are left out of that."""
        os.write(terminal, text.encode())
        shown, end = b"", time.monotonic() + 30
        while (left := end - time.monotonic()) > 0 and select.select([terminal], [], [], left)[0]:
            shown += os.read(terminal, 4096)
            plain = re.sub(r"\x08|\r|\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode(errors="replace"))
            if wanted in plain:
                return
        self.fail(f"{wanted!r} does not come after {text!r}, but {shown!r}")
