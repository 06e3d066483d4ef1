"""Requirements as PHP's own regular expressions take them: orosync never matches a topic that Oro does not."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.channels import Channel, granted
from orosync.authz.oro_routing import routed_channels
from tests.authz.oro_application import FILE, written
from tests.product.running_router import TREE

PLAIN = (
    r"\d",
    r"\w",
    r"\D",
    r"\W",
    r"\S",
    ".",
    "a",
    "b",
    "7",
    "-",
    r"\*",
    "[a-c]",
    "[^/]",
    "[^a-c]",
    r"[\w.-]",
    "(a|b)",
)
ODD = (
    "_", "/", "*", r"\.", r"\/", r"\-", r"\(", "#", r"\#", "[^(]", "[^(x]", "[(ab]", "[^(ab)]", r"[^\d]", r"[\w-]", "|",
    r"[^\--a]", r"[\--a]", "[]a]", "[^]a]", "[a-]", "[-a]", "[{]", "[^}]", "[#]", "(?:a|b/)", "(7)?", "(?i)", "(?=a)",
    "(", ")", "[", "]", "{", "}", "^", "$", "\\", " ", r"\s", r"\x41", r"\Q", "é", "&&", "~", "%", "'", '"', "<", ">",
    "!", "=", ":", ",", "@", "+",
)  # fmt: skip
REPEATS = ("", "", "", "+", "+", "+", "*", "?", "++", "+?", "{2}", "{1,3}", "{2,}", "{,3}", "{0}")
COMMON, SPECIAL = "aabbcA7709-*", "_/.()#{}[]?:^$~|\\xé \n"
CASES = 3000


def requirement(random_: random.Random) -> str:
    """A requirement of up to three parts, most of which orosync reads."""
    parts = [
        random_.choice(PLAIN if random_.random() < 0.8 else ODD) + random_.choice(REPEATS)
        for _ in range(random_.randint(1, 3))
    ]
    text = "".join(parts)
    if random_.random() < 0.2:
        text = f"^{text}$"
    return text + random_.choice(("", "", "", "", r"|\*", "$", "*"))


def value(random_: random.Random) -> str:
    """What may be in place of the variable."""
    return "".join(random_.choice(COMMON if random_.random() < 0.8 else SPECIAL) for _ in range(random_.randint(0, 4)))


class RequirementsInPhp(SynchronousTestCase):
    def test_never_more_than_oro(self) -> None:
        """Of thousands of routes, drawn anew each time: each topic that a channel matches is matched by PHP in Oro's
        frame, with the same values of its variables."""
        seed = random.randrange(1 << 32)
        random_ = random.Random(seed)
        top = Path(tempfile.mkdtemp(prefix="requirements-"))
        self.addCleanup(shutil.rmtree, top)
        cases = [self.case(random_, number) for number in range(CASES)]
        channels = self.read(top, cases)
        done = subprocess.run(
            ["php", str(TREE / "tests/php/requirements.php")],
            input=json.dumps(cases), capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        matched = [0, 0, 0]
        for case, theirs in zip(cases, json.loads(done.stdout), strict=True):
            channel = channels.get(pattern(case))
            if channel is None:
                continue
            for topic, wanted in zip(case["topics"], theirs, strict=True):
                ours = channel.values(topic)
                if ours is not None:
                    self.assertEqual(ours, wanted, (seed, case["literals"], case["requirements"], topic))
                    matched[len(ours)] += 1
        self.assertGreater(matched[1], 1000, seed)
        self.assertGreater(matched[2], 20, seed)

    def case(self, random_: random.Random, number: int) -> dict[str, Any]:
        """A route with one variable, or two of which the first may hold what ends it, and topics for it."""
        if random_.random() < 0.7:
            wanted, literals = (
                [requirement(random_)],
                [f"t{number}/", random_.choice(("", "", "/", "/tail", "-b", ".7"))],
            )
        else:
            first = random_.choice((".+", "[^b]+", r"\S+", r"[\w-]+", r"\D+", ".*", requirement(random_)))
            second = random_.choice((r"\d+", "[a-c]+", r"\w+", ".+", requirement(random_)))
            wanted = [first, second]
            literals = [
                f"t{number}/",
                random_.choice(("/", "-", "a", "-/", "/a/")),
                random_.choice(("", "", "/", "-b")),
            ]
        topics = []
        for _ in range(30):
            values = [value(random_) for _ in wanted]
            if len(values) > 1 and random_.random() < 0.5:
                values[0] += literals[1] + random_.choice(("", "a", "7"))
            between = "".join(one + literal for one, literal in zip(values, literals[1:], strict=True))
            topics.append(literals[0] + between)
        return {"literals": literals, "requirements": wanted, "topics": topics}

    def read(self, top: Path, cases: list[dict[str, Any]]) -> dict[str, Channel]:
        """The channels that orosync makes of the cases, by their patterns."""
        files: dict[str, list[str]] = {}
        for number, case in enumerate(cases):
            wanted = {f"v{place}": one for place, one in enumerate(case["requirements"])}
            route = {"pattern": pattern(case), "callback": "oro_sync.ping", "requirements": wanted}
            # JSON is YAML, which also takes its escapes.
            files.setdefault(f"src/B{number // 200}/{FILE}", []).append(f"r{number}: {json.dumps(route)}\n")
        channels: dict[str, Channel] = {}
        for name, lines in files.items():
            shutil.rmtree(top / "src", ignore_errors=True)
            written(top, {name: "".join(lines)})
            routing = routed_channels(top, granted(["user"]), granted(["backend"]), "")
            channels.update({channel.pattern: channel for channel in routing.channels})
        return channels


def pattern(case: dict[str, Any]) -> str:
    """The channel of a case."""
    pieces = [f"{{v{place}}}{literal}" for place, literal in enumerate(case["literals"][1:])]
    return str(case["literals"][0]) + "".join(pieces)
