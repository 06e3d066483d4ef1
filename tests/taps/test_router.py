"""The command of ``twistd orosync``."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import signal
import sys
import syslog
import time
from pathlib import Path

from twisted.application.service import IService
from twisted.internet import reactor
from twisted.logger import Logger, LogLevel
from twisted.python.usage import UsageError
from twisted.scripts.twistd import ServerOptions
from twisted.trial.unittest import SynchronousTestCase

from orosync.app.process import settle_memory
from orosync.errors import ConfigError
from orosync.taps import router
from tests.support.processes import run

TREE = Path(__file__).resolve().parents[2]

SOUND = """
[listen:one]
endpoint = tcp:0:interface=127.0.0.1
[realm:oro]
authenticators = anyone
authorizers = roles
[authenticator:anyone]
use = anonymous
"""


class OptionsTests(SynchronousTestCase):
    def write(self, text):
        path = self.mktemp()
        with open(path, "w") as file:
            file.write(text)
        return path

    def options(self, *arguments):
        """Parse; what was printed on standard error, and the exit status (None: none)."""
        options, said = router.Options(), io.StringIO()
        with contextlib.redirect_stderr(said):
            try:
                options.parseOptions(arguments)
            except SystemExit as left:
                return options, said.getvalue().splitlines(), left.code
        return options, said.getvalue().splitlines(), None

    def test_valid_configuration(self):
        """A valid file is read, and the service can be made of it."""
        options, said, status = self.options("--config", self.write(SOUND))
        self.assertEqual((said, status), ([], None))
        later = []
        self.patch(reactor, "callWhenRunning", later.append)
        self.patch(reactor, "seconds", time.time)
        self.assertTrue(IService.providedBy(router.makeService(options)))
        self.assertIn(settle_memory, later)
        self.assertIs(reactor.seconds, time.monotonic)

    def test_something_waits_already(self):
        """What was to be called later counts by the time of day: one line says so, and the status is 1."""
        self.patch(reactor, "getDelayedCalls", lambda: ["<a call>"])
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as left:
            router.makeService(self.options("--config", self.write(SOUND))[0])
        self.assertEqual(left.exception.code, 1)
        self.assertRegex(said.getvalue(), "^orosync: the reactor has 1 delayed calls already.*<a call>")

    def test_nothing_to_listen_on(self):
        """A file that only attaches to another router is no router: one line, and status 1."""
        alone = SOUND.replace("[listen:one]\nendpoint = tcp:0:interface=127.0.0.1", "[attach]\nurl = rs://127.0.0.1:1")
        options, said = self.options("--config", self.write(alone))[0], io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as left:
            router.makeService(options)
        self.assertEqual(left.exception.code, 1)
        self.assertIn("no [listen:NAME] section is there", said.getvalue())

    def test_every_fault_at_once(self):
        """Each fault is one line on standard error, and the status is 1; no traceback."""
        text = SOUND.replace("tcp:0", "ssl:0").replace("anyone\nauth", "nobody\nauth") + "[listne:x]\n"
        _, said, status = self.options("--config", self.write(text))
        self.assertEqual(status, 1)
        self.assertEqual(len(said), 3, said)
        for line, part in zip(said, ["[listen:one] endpoint", "[realm:oro] authenticators", "[listne:x]"], strict=True):
            self.assertTrue(line.startswith("orosync: " + part), line)

    def test_file_that_is_not_there(self):
        """A missing file is said so in one line."""
        _, said, status = self.options("--config", "/nowhere/router.ini")
        self.assertEqual((len(said), status), (1, 1))

    def test_config_is_needed(self):
        """Without --config twistd explains how to call it."""
        with self.assertRaises(UsageError):
            router.Options().parseOptions([])

    def test_part_that_cannot_be_had(self):
        """A part from elsewhere that is not there ends the process in the same way."""
        text = SOUND + "[authorizer:mine]\nuse = no.such.module:thing\n"
        options, _, _ = self.options("--config", self.write(text.replace("authorizers = roles", "authorizers = mine")))
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as left:
            router.makeService(options)
        self.assertEqual(left.exception.code, 1)
        self.assertIn("[authorizer:mine] use:", said.getvalue())

    def test_open_files(self):
        """A start from a shell with few open files needs no ulimit: the hard limit is taken before the
        configuration is judged, so that nothing is warned of."""
        path = self.write(SOUND + "[router]\nstate = .\n")
        program = (
            "import resource; from orosync.taps.router import Options; options = Options(); "
            f"options.parseOptions(['--config', {path!r}]); "
            "print(*resource.getrlimit(resource.RLIMIT_NOFILE), len(options['configuration'].warnings))"
        )
        hard = min(12000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        shell = f'ulimit -Sn 256 && ulimit -Hn {hard} && exec "$0" -c "$1"'
        said = run("sh", "-c", shell, sys.executable, program, environ={**os.environ, "PYTHONPATH": str(TREE)})
        self.assertEqual(said.split(), [str(hard), str(hard), "0"])

    def test_open_files_that_are_not_granted(self):
        """Where the limit may not be changed (a hardened unit), the start goes on with what there is."""
        for refusal in (OSError("not permitted"), ValueError("not allowed to raise maximum limit")):
            self.patch(resource, "getrlimit", lambda _: (256, 512))
            asked = []

            def refuse(which, limits, asked=asked, refusal=refusal):
                asked.append(limits)
                raise refusal

            self.patch(resource, "setrlimit", refuse)
            router.raise_open_files()
            self.assertEqual(asked, [(512, 512)])

    def test_give_up(self):
        """One line for each fault."""
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit):
            router.give_up(ConfigError(["a: b", "c: d"]))
        self.assertEqual(said.getvalue(), "orosync: a: b\norosync: c: d\n")

    def test_version(self):
        """--version prints the version and ends with 0."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), self.assertRaises(SystemExit) as left:
            router.Options().parseOptions(["--version"])
        self.assertEqual(left.exception.code, 0)
        self.assertRegex(said.getvalue(), r"^orosync \d+\.\d+\.\d+$")


class LogTests(SynchronousTestCase):
    """log_observer"""

    def observed(self, *options, level="info"):
        """What twistd would log to with these options of its own."""
        path = self.mktemp()
        with open(path, "w") as file:
            file.write(SOUND + f"[router]\nlog_level = {level}\n")
        whole = ServerOptions()
        whole.parseOptions([*options, "orosync", "--config", path])
        return whole["logger"]()

    def write(self, observer):
        for level in (LogLevel.info, LogLevel.warn):
            Logger(namespace="n", observer=observer).emit(level, "hello")

    def test_standard_output(self):
        """In the foreground, or where it is asked for."""
        for options in (["--nodaemon"], ["--nodaemon", "--logfile=-"]):
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                self.write(self.observed(*options, level="warn"))
            self.assertRegex(out.getvalue(), r"^\S+ \[n#warn\] hello\n$")

    def test_file(self):
        """A file that is named, in the background twistd.log; SIGUSR1 rotates it, as it does twistd's own."""
        self.addCleanup(signal.signal, signal.SIGUSR1, signal.getsignal(signal.SIGUSR1))
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        here = os.getcwd()
        os.mkdir(directory := self.mktemp())
        self.addCleanup(os.chdir, here)
        os.chdir(directory)
        for options, name in ([], "twistd.log"), (["--nodaemon", "--logfile=x.log"], "x.log"):
            self.write(self.observed(*options))
            self.assertEqual(Path(name).read_text().count("hello"), 2)
        asked = []
        self.patch(reactor, "callFromThread", asked.append)
        os.kill(os.getpid(), signal.SIGUSR1)
        (rotate,) = asked
        rotate()
        self.assertTrue(Path("twistd.log.1").exists())

    def test_daemon_without_output(self):
        """A daemon cannot log to standard output: one line, and status 1."""
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as left:
            self.observed("--logfile=-")
        self.assertEqual(left.exception.code, 1)
        self.assertIn("--nodaemon", said.getvalue())

    def test_syslog(self):
        """--syslog, under the name of --prefix."""
        opened = []
        self.patch(syslog, "openlog", opened.append)
        self.patch(syslog, "syslog", lambda *line: opened.append(line))
        self.write(self.observed("--syslog", "--prefix=oro", level="warn"))
        self.assertEqual(opened, ["oro", (syslog.LOG_WARNING, "[n#warn] hello")])

    def test_observer_of_ones_own(self):
        """twistd's --logger stays what it is."""
        self.assertIs(self.observed("--logger=builtins.list").__class__, list)
