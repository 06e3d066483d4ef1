"""Chat rooms: an authorizer that decides who may read and write, and a component that keeps the last messages.

Both run in the router's process and share ``ROOMS``, which in an application would be tables of its database. Messages
are published by their authors; the authorizer has the router add the author's name (publisher disclosure), so a name
cannot be forged.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallDetails, EventDetails, RegisterOptions, SubscribeOptions
from zope.interface import implementer

from orosync.interfaces import IAuthorizer
from orosync.model import Action, Decision, Match, Principal, Verdict

PEOPLE = ("anna", "ben", "carla")
ROOMS: dict[str, set[str]] = {"garden": {"anna", "ben", "carla"}, "kitchen": {"anna", "ben"}, "attic": {"carla"}}
"""The members of each room."""

MOST_ROOMS, LONGEST, KEPT = 100, 2000, 50
OPEN_TO_MEMBERS = {
    "chat.room": {Action.SUBSCRIBE, Action.PUBLISH},
    "chat.presence": {Action.SUBSCRIBE},
    "chat.history": {Action.CALL},
}


@implementer(IAuthorizer)
class Membership:
    """A room's topics and its history are open to its current members; chat.for.NAME only to that user."""

    def __init__(self, name: str, options: Mapping[str, str]) -> None:
        self.name = name

    def authorize(
        self, principal: Principal, action: Action, uri: str, match: Match, options: Mapping[str, Any]
    ) -> Decision:
        """Decide about one request; ``disclose`` adds the author's name to a message."""
        area, _, last = uri.rpartition(".")
        if principal.authrole != "person" or area not in (*OPEN_TO_MEMBERS, "chat.for"):
            return Decision(Verdict.ABSTAIN, declared=False)
        if match is not Match.EXACT:
            return Decision(Verdict.DENY, "room by room, please")
        if area == "chat.for":
            mine = action is Action.SUBSCRIBE and last == principal.authid
            return Decision(Verdict.ALLOW if mine else Verdict.DENY, f"for {last} alone")
        member = action in OPEN_TO_MEMBERS[area] and principal.authid in ROOMS.get(last, ())
        return Decision(Verdict.ALLOW if member else Verdict.DENY, f"members of {last}", disclose=member)


class Chat(ApplicationSession):
    """Keeps the last messages of each room, opens rooms and invites users."""

    async def onJoin(self, details: Any) -> None:
        self.said: dict[str, deque[dict[str, Any]]] = {}
        await self.subscribe(self.heard, "chat.room.", SubscribeOptions(match="prefix", details=True))
        asked = RegisterOptions(details=True)
        await self.register(self.rooms, "chat.rooms", asked)
        await self.register(self.open, "chat.open", asked)
        await self.register(self.invite, "chat.invite", asked)
        await self.register(self.history, "chat.history.", RegisterOptions(match="prefix", details=True))

    def heard(self, *args: Any, details: EventDetails, **more: Any) -> None:
        """Keep a message of a member; invalid messages are ignored."""
        if len(args) == 1 and isinstance(args[0], str) and 0 < len(args[0]) <= LONGEST:
            message = {
                "id": details.publication,
                "author": details.publisher_authid,
                "text": args[0],
                "at": time.time(),
            }
            self.said.setdefault(str(details.topic).rpartition(".")[2], deque(maxlen=KEPT)).append(message)

    def history(self, details: CallDetails) -> list[dict[str, Any]]:
        """The last messages; the call was permitted by the authorizer."""
        return list(self.said.get(str(details.procedure).rpartition(".")[2], ()))

    def rooms(self, details: CallDetails) -> list[dict[str, Any]]:
        """The caller's rooms, with their members."""
        mine = [(room, members) for room, members in ROOMS.items() if details.caller_authid in members]
        return [{"room": room, "members": sorted(members)} for room, members in mine]

    def open(self, room: Any, details: CallDetails) -> str:
        """Open a room with the caller as its member."""
        if not isinstance(room, str) or not re.fullmatch(r"[a-z][a-z0-9-]{0,23}", room):
            raise ApplicationError("chat.error.bad_name", "a name is of small letters, digits and dashes")
        if room in ROOMS or len(ROOMS) >= MOST_ROOMS:
            raise ApplicationError("chat.error.taken", "there is a room of that name, or there are too many")
        ROOMS[room] = {str(details.caller_authid)}
        return room

    def invite(self, room: Any, person: Any, details: CallDetails) -> None:
        """Add a member; the caller must be a member."""
        if details.caller_authid not in ROOMS.get(room, ()) or person not in PEOPLE:
            raise ApplicationError("chat.error.not_yours", "that is no room of yours, or nobody")
        ROOMS[room].add(person)
        for member in ROOMS[room]:
            self.publish(f"chat.for.{member}", room)
