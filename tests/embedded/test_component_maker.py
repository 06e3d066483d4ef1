"""Tests of orosync.embedded.component."""

from __future__ import annotations

from autobahn.twisted.wamp import ApplicationSession
from twisted.trial.unittest import SynchronousTestCase

from orosync.embedded.component import component_maker
from orosync.errors import ConfigError
from tests.embedded.fixture import Component

HERE = __name__


def made_otherwise(config):
    """A function may make it too."""
    return Component(config)


def made_wrongly(config):
    return object()


class Stranger:
    pass


class MakingTests(SynchronousTestCase):
    def test_class_and_function(self):
        """Each life gets a component of its own, with the realm and a copy of the options."""
        for name, kind in [(f"{HERE}:made_otherwise", Component), ("tests.embedded.fixture:Component", Component)]:
            extra = {"colour": "blue"}
            make = component_maker("component:feed", name, "oro", extra)
            first, second = make(), make()
            self.assertIsInstance(first, kind)
            self.assertIsNot(first, second)
            first.config.extra["colour"] = "red"
            self.assertEqual((second.config.realm, second.config.extra, extra), ("oro", extra, {"colour": "blue"}))

    def test_what_is_none(self):
        """What is not there, or no component, is a fault that says so."""
        for name, words in [
            ("nowhere.to.be.found:Feed", "there is no module nowhere"),
            (f"{HERE}:Nobody", "has no Nobody"),
            (f"{HERE}:HERE", "is no factory"),
            (f"{HERE}:Stranger", "is no autobahn.twisted.wamp.ApplicationSession, derive it from that"),
        ]:
            error = self.assertRaises(ConfigError, component_maker, "component:feed", name, "oro", {})
            self.assertEqual(len(error.faults), 1)
            self.assertIn(words, error.faults[0])
            self.assertTrue(error.faults[0].startswith("[component:feed] use: "), error.faults[0])

    def test_function_that_makes_something_else(self):
        """That shows only when it is called."""
        make = component_maker("component:feed", f"{HERE}:made_wrongly", "oro", {})
        self.assertIn("made a object", str(self.assertRaises(TypeError, make)))

    def test_autobahn_itself(self):
        """A bare ApplicationSession is a component that does nothing."""
        make = component_maker("component:idle", "autobahn.twisted.wamp:ApplicationSession", "oro", {})
        self.assertIsInstance(make(), ApplicationSession)
