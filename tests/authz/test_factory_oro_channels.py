"""Oro's ten channels, against the behaviour of Oro's own handlers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.factory import ORO_CHANNELS, oro_channels
from orosync.authz.topics import TopicRules
from orosync.model import Action, Match, Verdict
from orosync.testing import principal

USER = principal("joe", user_id=7)
BACKEND = principal("backend", authrole="backend", user_id=None)
GUEST = principal("guest", authrole="guest", user_id=7)

ALLOW, DENY, UNKNOWN = Verdict.ALLOW, Verdict.DENY, Verdict.ABSTAIN

# topic, user 7 subscribes, the back end subscribes, the back end publishes
TABLE = [
    ("oro/ping", ALLOW, ALLOW, ALLOW),
    ("oro/data/update", ALLOW, ALLOW, ALLOW),
    ("oro/maintenance", ALLOW, ALLOW, ALLOW),
    ("oro/outdated_user_page", ALLOW, ALLOW, ALLOW),
    ("oro/message_queue_heartbeat", ALLOW, ALLOW, ALLOW),
    ("oro/email_event/7/1", ALLOW, DENY, ALLOW),
    ("oro/email_event/7/*", ALLOW, DENY, ALLOW),
    ("oro/email_event/7/999", ALLOW, DENY, ALLOW),
    ("oro/email_event/007/1", ALLOW, DENY, ALLOW),
    ("oro/email_event/8/1", DENY, DENY, ALLOW),
    ("oro/email_event/0/1", DENY, DENY, ALLOW),
    ("oro/email_event/*/1", UNKNOWN, UNKNOWN, UNKNOWN),
    ("oro/email_event/7", UNKNOWN, UNKNOWN, UNKNOWN),
    ("oro/imap_sync_fail/*", ALLOW, DENY, ALLOW),
    ("oro/imap_sync_fail/7", ALLOW, DENY, ALLOW),
    ("oro/imap_sync_fail/8", DENY, DENY, ALLOW),
    ("oro/imap_sync_fail/0", DENY, DENY, ALLOW),
    ("oro/reminder_remind/7", ALLOW, DENY, ALLOW),
    ("oro/reminder_remind/8", DENY, DENY, ALLOW),
    ("oro/reminder_remind/*", UNKNOWN, UNKNOWN, UNKNOWN),
    ("oro/attribute_import/7/3", ALLOW, DENY, ALLOW),
    ("oro/attribute_import/8/3", DENY, DENY, ALLOW),
    ("oro/attribute_import/7/*", UNKNOWN, UNKNOWN, UNKNOWN),
    ("oro/conversation_event/7/1", ALLOW, DENY, ALLOW),
    ("oro/conversation_event/7/*", ALLOW, DENY, ALLOW),
    ("oro/conversation_event/8/*", DENY, DENY, ALLOW),
    ("oro/conversation_event/7/1/", UNKNOWN, UNKNOWN, UNKNOWN),
    ("oro/data/update\n", UNKNOWN, UNKNOWN, UNKNOWN),
    ("oro/data%2Fupdate", UNKNOWN, UNKNOWN, UNKNOWN),
    ("oro/reminder_remind/\u0667", UNKNOWN, UNKNOWN, UNKNOWN),
    ("oro#reminder_remind/7", UNKNOWN, UNKNOWN, UNKNOWN),
]


class OroChannelTests(SynchronousTestCase):
    """oro_channels"""

    def test_table(self) -> None:
        """Users hear what Oro lets them hear and publish nothing; the back end publishes to every declared topic."""
        rules = TopicRules(ORO_CHANNELS)
        for topic, user, backend, published in TABLE:
            for _ in range(2):  # the second answer comes from memory
                for who, action, expected in (
                    (USER, Action.SUBSCRIBE, user),
                    (BACKEND, Action.SUBSCRIBE, backend),
                    (BACKEND, Action.PUBLISH, published),
                    (USER, Action.PUBLISH, UNKNOWN if published is UNKNOWN else DENY),
                    (GUEST, Action.SUBSCRIBE, UNKNOWN if published is UNKNOWN else DENY),
                ):
                    decision = rules.authorize(who, action, topic, Match.EXACT, {})
                    self.assertIs(decision.verdict, expected, (topic, who.authid, action))

    def test_ten(self) -> None:
        """There are ten, each told apart by its pattern."""
        self.assertEqual(len({channel.pattern for channel in ORO_CHANNELS}), 10)

    def test_roles_by_other_names(self) -> None:
        """A realm that calls its roles otherwise gets the same rules for them, and says so in explanations."""
        rules = TopicRules(oro_channels(["staff", "admin"], ["php"], "[topics:shop]"))
        for role, action, expected in (
            ("staff", Action.SUBSCRIBE, ALLOW),
            ("admin", Action.SUBSCRIBE, ALLOW),
            ("user", Action.SUBSCRIBE, DENY),
            ("php", Action.PUBLISH, ALLOW),
            ("backend", Action.PUBLISH, DENY),
        ):
            decision = rules.authorize(principal(authrole=role), action, "oro/ping", Match.EXACT, {})
            self.assertIs(decision.verdict, expected, role)
            self.assertTrue(decision.rule.startswith("[topics:shop] oro/ping (built in): "))
