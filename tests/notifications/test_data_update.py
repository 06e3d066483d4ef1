"""Content tags, as Oro's back end makes them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.notifications import data_update
from orosync.notifications.data_update import Change

USER = "Oro\\Bundle\\UserBundle\\Entity\\User"


class TagTests(SynchronousTestCase):
    """class_tag, entity_tag, collection_tag"""

    def test_class_names(self) -> None:
        """A class name becomes the tag that Oro's pages carry: runs of anything but ASCII letters are one "_"."""
        for name, tag in (
            (USER, "Oro_Bundle_UserBundle_Entity_User"),
            ("\\Acme\\User", "_Acme_User"),
            ("Acme\\B2B\\Order", "Acme_B_B_Order"),
            ("Extend\\Entity\\EV_Lead_Source", "Extend_Entity_EV_Lead_Source"),
            ("Acme\\\\__12\\X", "Acme_X"),
            ("Acme\\User2", "Acme_User_"),
            ("Acme\\Caf\u00e9", "Acme_Caf_"),
            ("Acme\\\u017f\u212aX", "Acme_X"),
        ):
            self.assertEqual(data_update.class_tag(name), tag)

    def test_entities(self) -> None:
        """An entity is tagged by class and identifiers, a list by its class."""
        self.assertEqual(data_update.entity_tag(USER, 1), "Oro_Bundle_UserBundle_Entity_User_1")
        self.assertEqual(data_update.entity_tag("A\\B", 1, "en_US"), "A_B_1_en_US")
        self.assertEqual(data_update.collection_tag(USER), "Oro_Bundle_UserBundle_Entity_User_type_collection")


class PayloadTests(SynchronousTestCase):
    """tags_of, payload, changed"""

    def test_what_is_outdated(self) -> None:
        """A new entity outdates lists, a changed one its own pages, a deleted one both."""
        own, lists = "Oro_Bundle_UserBundle_Entity_User_1", "Oro_Bundle_UserBundle_Entity_User_type_collection"
        self.assertEqual(data_update.tags_of(Change.CREATED, USER, 1), [lists])
        self.assertEqual(data_update.tags_of(Change.UPDATED, USER, 1), [own])
        self.assertEqual(data_update.tags_of(Change.DELETED, USER, 1), [own, lists])

    def test_payload(self) -> None:
        """Each tag is told once, with the name of who made the change."""
        self.assertEqual(
            data_update.payload(["b", "a", "b"], "admin"),
            [{"username": "admin", "tagname": "b"}, {"username": "admin", "tagname": "a"}],
        )
        self.assertEqual(data_update.payload([], "admin"), [])

    def test_changed(self) -> None:
        """One saved entity makes the event that Oro's browsers understand; a consumer's change has no user name."""
        tag = "Oro_Bundle_UserBundle_Entity_User_1"
        self.assertEqual(data_update.changed(USER, 1, username="admin"), [{"username": "admin", "tagname": tag}])
        self.assertEqual(data_update.changed(USER, 1), [{"username": None, "tagname": tag}])
        self.assertEqual(len(data_update.changed(USER, 1, change=Change.DELETED)), 2)
