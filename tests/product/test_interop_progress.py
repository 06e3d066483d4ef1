"""Results on the way, and calls that are cancelled or take too long, between other people's clients.

What a library cannot do stands in ``libraries.CANNOT``; here is what happens then.
"""

from __future__ import annotations

from tests.product import spread
from tests.product.clients import Client
from tests.product.libraries import (
    BE_INTERRUPTED,
    CANCEL,
    CANNOT,
    CHOOSE_MODE,
    HEAR_PROGRESS,
    LIBRARIES,
    TELL_PROGRESS,
    LibrariesCase,
    Way,
    can,
    name,
)
from tests.product.running_router import TREE

STEPS = [[0], [1], [2]]
CANCELED = "wamp.error.canceled"


class ProgressTests(LibrariesCase):
    """Progressive call results."""

    def test_all_to_all(self) -> None:
        """Each result on the way arrives, in order, before the last; a callee that cannot tell any sends that alone."""
        procedures = {who: self.register(who, f"com.example.steps.{name(who)}") for who in self.libraries}
        for who, caller in self.libraries.items():
            for callee, procedure in procedures.items():
                wanted = {"receive_progress": True} if can(who, HEAR_PROGRESS) else {}
                call = caller.send("call", procedure, [], {"steps": 3}, **wanted)
                self.assertEqual(caller.wait(call), {"args": [3], "kwargs": {}}, (who, callee))
                told = STEPS if can(who, HEAR_PROGRESS) and can(callee, TELL_PROGRESS) else []
                if callee[2] == "lp" and spread.SPREAD == "workers":
                    # Its requests are sent all at once, and those that reach the other worker arrive later.
                    self.assertTrue(set(map(tuple, caller.steps(call))) <= set(map(tuple, told)), (who, callee))
                else:
                    self.assertEqual(caller.steps(call), told, (who, callee))

    def test_not_wanted(self) -> None:
        """Whoever does not ask for results on the way gets none."""
        for who in self.libraries:
            procedure = self.register(who, f"com.example.steps.{name(who)}")
            caller = self.libraries["autobahn", "msgpack", "ws"]
            call = caller.send("call", procedure, [], {"steps": 3})
            self.assertEqual((caller.wait(call)["args"], caller.steps(call)), ([3], []), who)


class CancelTests(LibrariesCase):
    """Call canceling."""

    def cancelled(self, who: tuple[Way, Client], by: tuple[Way, Client], mode: str | None) -> None:
        """``by`` calls ``who`` and cancels; both are fit for the next call."""
        (way, callee), (caller_way, caller) = who, by
        label, procedure = (way, caller_way, mode), f"com.example.wait.{name(way)}"
        call = caller.send("call", procedure, [], {"wait": True})
        self.assertEqual(callee.sign(), ("invoked", procedure), label)
        caller.ask("cancel", call=call, mode=mode)
        # autobahn-python answers itself at once, and takes the router's ERROR in silence.
        error = "CancelledError" if caller_way[0] == "autobahn-python" else CANCELED
        with self.assertRaises(Exception, msg=label) as caught:
            caller.wait(call)
        self.assertEqual(getattr(caught.exception, "uri", caught.exception), error, label)
        if can(way, BE_INTERRUPTED) and mode != "skip":
            self.assertEqual(callee.sign(), ("interrupted", procedure), label)
        else:
            callee.ask("release")  # its answer comes too late, and to nobody
        self.assertEqual(caller.ask("call", procedure, ["next"])["args"], ["next"], label)

    def test_modes(self) -> None:
        """kill, killnowait and skip: the caller is answered, the callee interrupted where it can be and shall be."""
        for way, callee in self.one_of_each().items():
            self.register(way, f"com.example.wait.{name(way)}")
            for caller in self.libraries.items():
                if not can(caller[0], CANCEL):
                    continue
                modes: list[str | None] = ["kill", "killnowait", "skip"] if can(caller[0], CHOOSE_MODE) else ["kill"]
                if caller[0][0] == "autobahn-python":
                    modes = [None]
                for mode in modes:
                    if caller[1] is not callee:
                        self.cancelled((way, callee), caller, mode)

    def test_everybody_can_be_cancelled(self) -> None:
        """Whatever the callee speaks."""
        caller = ("wampy", "msgpack", "ws")
        for way, callee in self.libraries.items():
            if way != caller:
                self.register(way, f"com.example.wait.{name(way)}")
                self.cancelled((way, callee), (caller, self.libraries[caller]), "killnowait")


class TimeoutTests(LibrariesCase):
    """Call timeouts."""

    def test_all_give_up(self) -> None:
        """The caller is told in time; a callee that can be interrupted is; what comes late goes to nobody."""
        for way, callee in self.one_of_each().items():
            procedure = self.register(way, f"com.example.slow.{name(way)}")
            for caller_way, caller in self.libraries.items():
                if caller is callee:
                    continue
                label = (way, caller_way)
                self.refused(
                    "wamp.error.timeout", caller, "call", procedure, [], {"wait": True}, label=label, timeout=20
                )
                self.assertEqual(callee.sign(), ("invoked", procedure), label)
                if can(way, BE_INTERRUPTED):
                    self.assertEqual(callee.sign(), ("interrupted", procedure), label)
                else:
                    callee.ask("release")
                answer = caller.ask("call", procedure, ["in time"], timeout=10_000)
                self.assertEqual(answer["args"], ["in time"], label)


class TableTests(LibrariesCase):
    """What libraries cannot do."""

    def test_the_table_speaks_of_libraries_that_are_tried(self) -> None:
        """Each line names one of the libraries and gives a reason."""
        self.assertLessEqual({library for library, _ in CANNOT}, set(LIBRARIES))
        self.assertTrue(all(len(reason) > 10 for reason in CANNOT.values()))

    def test_versions_are_pinned(self) -> None:
        """A library that learns something is noticed: every one has a version or a floor."""
        said = (TREE / "tests/js/package.json").read_text() + (TREE / "setup.cfg").read_text()
        for library in LIBRARIES:
            self.assertIn(library.partition("-")[0], said)
