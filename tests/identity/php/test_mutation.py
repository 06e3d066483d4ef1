"""Spoiled sessions: thousands here, 100,000 and more in ``make fuzz``."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from functools import cache
from typing import Any

from hypothesis import settings
from twisted.trial.unittest import SynchronousTestCase

from orosync.identity.php.serialized import unserialize
from tests.identity.php.oracle import SAMPLE, TESTS, View, judged, sessions

# 3,000 in the short profile of hypothesis (100 examples); 150,000 in the long one.
COUNT = settings.default.max_examples * 30
LARGE = b"x|a:7900:{" + b"".join(b"i:%d;a:1:{i:0;a:0:{}}" % number for number in range(7900)) + b"}"
MEMORY = 64 * 1024
SECONDS = 0.1


@cache
def outcome(seed: int = 20) -> dict[str, Any]:
    """What came of reading ``COUNT`` spoiled sessions."""
    good = [SAMPLE, *(session.data for session in sessions().values())]
    # As large as sessions may be, of the most expensive kind; several, so that a few hundred of the spoiled ones are.
    good += [LARGE] * 5
    good += [session.data for session in sessions("php_serialize").values()]
    good += [session.data for session in sessions(entities="serializable").values() if session.name.startswith("oro ")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.identity.php.mutation_run", str(COUNT), str(seed)],
        input=b"".join(base64.b64encode(data) + b"\n" for data in good),
        stdout=subprocess.PIPE,
        cwd=TESTS.parent,
        timeout=60 + COUNT / 20,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Spoiled(SynchronousTestCase):
    """Sessions that PHP wrote, with bytes changed, lost, doubled, moved and made up."""

    def test_only_its_own_error(self) -> None:
        """Whatever stands in a session, reading it ends in a value or in SessionUnreadable."""
        found = outcome()
        self.assertEqual(found["wrong"], [])
        self.assertEqual(found["read"] + found["refused"], COUNT)
        # Neither everything nor nothing is refused: the bytes are spoiled, and not beyond recognition.
        self.assertGreater(found["refused"], COUNT // 2)
        self.assertGreater(found["read"], COUNT // 50)

    def test_time_and_memory(self) -> None:
        """No session takes more than 100 ms of a processor, and all of them together no more than 64 MiB."""
        found = outcome()
        self.assertLess(found["slowest"], SECONDS, f"{found['slow_bytes']} bytes: {found['slow']}")
        self.assertLess(found["grown"], MEMORY)

    def test_what_is_still_read_means_the_same_to_php(self) -> None:
        """There is no spoiled value that is read here and refused by PHP, or that means something else to it."""
        kept = [base64.b64decode(text) for text in outcome()["kept"]]
        self.assertGreater(len(kept), COUNT // 100)
        for data, view in zip(kept, judged(kept), strict=True):
            self.assertEqual(View(names=True).of(unserialize(data)), view, data[:500])
