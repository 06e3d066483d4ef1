"""Directories made from their sections."""

from __future__ import annotations

from unittest import mock

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.config.secrets import Secret
from orosync.config.sections import SqlDirectorySection
from orosync.errors import ConfigError, Unavailable
from orosync.identity.directories import making
from orosync.identity.directories.making import sql_directory
from orosync.interfaces import IDirectory
from orosync.testing import RecordingJournal


class MakingTests(SynchronousTestCase):
    def make(self, use="postgresql", dsn="postgres://u:top-secret@127.0.0.1:1/oro"):
        section = SqlDirectorySection(name="people", use=use, dsn=Secret(dsn, "env:ORO_DB_DSN"))
        return sql_directory(section, RecordingJournal(), Clock())

    def test_each_database(self):
        """A directory with its queue in front, and a service that bears its name; nothing connects before it runs."""
        for use, dsn in (("postgresql", "postgres://u:p@127.0.0.1:1/oro"), ("mysql", "mysql://u:p@127.0.0.1:1/oro")):
            lookups, service = self.make(use, dsn)
            verifyObject(IDirectory, lookups)
            self.assertEqual(service.name, "directory:people")
            self.failureResultOf(lookups.find("anna"), Unavailable)

    def test_what_cannot_be_made(self):
        """A wrong DSN and a missing driver are told with the section, the DSN is not."""
        with self.assertRaises(ConfigError) as caught:
            self.make("mysql")
        (fault,) = caught.exception.faults
        self.assertTrue(fault.startswith("[directory:people] dsn: env:ORO_DB_DSN is the DSN of postgresql"), fault)
        self.assertNotIn("top-secret", fault)
        with mock.patch.object(making, "missing_driver", return_value="needs a driver"):
            with self.assertRaises(ConfigError) as caught:
                self.make()
            self.assertEqual(caught.exception.faults, ("[directory:people] use: postgresql needs a driver",))
