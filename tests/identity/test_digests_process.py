"""The process that computes digests, without a process."""

from __future__ import annotations

import os
import subprocess
import sys
from io import BytesIO

from twisted.trial.unittest import SynchronousTestCase

from orosync.identity import digests
from tests.identity.fixtures import VECTORS

PAIRS = [(b"a", b""), (b"\0\n ;|", b"salt\n"), (b"", b"0")]


class Serve(SynchronousTestCase):
    """Lines in, digests out, in order."""

    def test_vectors_of_php(self) -> None:
        """What PHP has signed comes back as PHP's digest."""
        pairs = []
        for vector in VECTORS[:2]:
            password = vector["password_hash"] or vector["secret"]
            pairs.append((f"{vector['nonce']}|{vector['created']}|{password}".encode(), vector["secret"].encode()))
        sink = BytesIO()
        digests.serve(BytesIO(digests.request(pairs)), sink)
        self.assertEqual(sink.getvalue().decode().splitlines(), [vector["digest"] for vector in VECTORS[:2]])

    def test_any_bytes(self) -> None:
        """Newlines and blanks in what is signed do not break the lines."""
        self.assertEqual(digests.request(PAIRS).count(b"\n"), len(PAIRS))
        sink = BytesIO()
        digests.serve(BytesIO(digests.request(PAIRS)), sink)
        self.assertEqual([len(line) for line in sink.getvalue().splitlines()], [88] * len(PAIRS))

    def test_nothing_asked(self) -> None:
        """It ends with its input."""
        sink = BytesIO()
        digests.serve(BytesIO(b""), sink)
        self.assertEqual(sink.getvalue(), b"")


class Process(SynchronousTestCase):
    """As the operating system sees it."""

    def test_secrets_are_not_in_sight(self) -> None:
        """Neither its command line nor its environment holds anything but the way to start it."""
        self.patch(os, "environ", {"ORO_SECRET": "x", "PYTHONPATH": "/elsewhere", "LD_LIBRARY_PATH": "/opt/lib"})
        self.assertEqual(digests.environment(), {"LD_LIBRARY_PATH": "/opt/lib"})
        self.assertEqual(digests.command_line("python")[:4], ["python", "-I", "-S", "-c"])

    def test_run(self) -> None:
        """Started by its own command line from anywhere, it answers, ignores SIGTERM, and ends with its input."""
        process = subprocess.Popen(
            digests.command_line(sys.executable),
            env=digests.environment(),
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.addCleanup(process.kill)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(digests.request(PAIRS[:1]))
        process.stdin.flush()
        self.assertEqual(len(process.stdout.readline()), 89)
        process.terminate()
        out, err = process.communicate(digests.request(PAIRS[1:]), timeout=20)
        self.assertEqual((out.count(b"\n"), err, process.returncode), (2, b"", 0))
