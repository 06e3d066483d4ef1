"""A realm with somebody who calls WAMP's own procedures, for the tests of the meta API: frames in, frames out."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.testing import principal
from tests.session.fixture import JsonClient, RealmFixture

MISSING = 2**53 - 5
"""An id that nobody has."""


class MetaCase(SynchronousTestCase):
    """``admin`` calls; ``anna`` and ``ben`` (WAMP v2) are there too."""

    def setUp(self) -> None:
        self.fixture = RealmFixture()
        self.admin = self.enter("admin", "admin")
        self.anna = self.enter("anna")
        self.ben = self.enter("ben", "guest")
        self._request = 100

    def enter(self, authid: str, authrole: str = "user", **features: Any) -> JsonClient:
        """One more WAMP v2 client; ``features`` by role."""
        player = self.fixture.v2(principal(authid, authrole=authrole, authprovider="guests"), join=False)
        roles = {role: {"features": features.get(role, {})} for role in ("publisher", "subscriber", "caller", "callee")}
        player.session_id = player.ask([1, "oro", {"roles": roles}])[0][1]
        return player

    def reply(self, player: JsonClient, procedure: str, *args: Any, **kwargs: Any) -> list[Any]:
        """The answer to one CALL, whole; whatever else was said to the caller stands in ``also``."""
        self._request += 1
        heard = player.ask([48, self._request, {}, procedure, list(args), kwargs])
        is_answer = [one[:2] == [50, self._request] or one[:3] == [8, 48, self._request] for one in heard]
        self.assertEqual(is_answer.count(True), 1, heard)
        self.also = [one for one, answers in zip(heard, is_answer, strict=True) if not answers]
        answer: list[Any] = heard[is_answer.index(True)]
        return answer

    def call(self, procedure: str, *args: Any, by: JsonClient | None = None, **kwargs: Any) -> list[Any]:
        """The arguments of the RESULT."""
        answer = self.reply(by or self.admin, procedure, *args, **kwargs)
        self.assertEqual(answer[0], 50, answer)
        self.assertEqual(answer[2], {})
        return answer[3] if len(answer) > 3 else []

    def refused(self, procedure: str, *args: Any, by: JsonClient | None = None, **kwargs: Any) -> str:
        """The URI of the ERROR, without ``wamp.error.``."""
        answer = self.reply(by or self.admin, procedure, *args, **kwargs)
        self.assertEqual(answer[0], 8, answer)
        return str(answer[4]).removeprefix("wamp.error.")

    def bad(self, procedure: str, *rows: tuple[Any, ...]) -> None:
        """Each of these lists of arguments is a bad one."""
        for row in rows:
            self.assertEqual(self.refused(procedure, *row), "invalid_argument", row)

    def subscribed(self, player: JsonClient, topic: str, **options: Any) -> int:
        """The id of a new subscription; events that come with it stand in ``also``."""
        self._request += 1
        first, *self.also = player.ask([32, self._request, options, topic])
        self.assertEqual(first[0], 33, first)
        return int(first[2])

    def events(self, player: JsonClient) -> list[tuple[str, list[Any]]]:
        """(subscription's topic, arguments) of the events that came to ``player``."""
        member = self.fixture.realm.members[player.session_id]
        heard = player.heard()
        return [(member.subscriptions[one[1]].topic, one[4]) for one in heard if one[0] == 36]
