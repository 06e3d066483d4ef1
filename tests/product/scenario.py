"""A day in one realm, as data: who comes, what they ask for, and who must hear what.

It is played on orosync, on orosync that asks an orosync-authorizer, and on a Crossbar.io that asks orosync; what is
allowed and who hears what is the same everywhere.
"""

from __future__ import annotations

from typing import Any, Protocol

from tests.product.crossbar_node import ANNAS, BENS, OFFICE, UNKNOWN, Denied, Visitor

COMERS: dict[str, tuple[dict[str, Any], bool]] = {
    "anna": ({"ticket": "anna", "authid": "anna"}, True),
    "anna's page": ({"cookie": ANNAS, "origin": OFFICE}, True),
    "anna, twice": ({"ticket": "anna", "cookie": ANNAS, "origin": OFFICE}, True),
    "ben": ({"ticket": "ben"}, True),
    "ben's page": ({"cookie": BENS, "origin": OFFICE}, True),
    "php": ({"ticket": "", "authid": "backend"}, True),
    "somebody": ({"ticket": "nobody", "authid": "nobody"}, False),
    "a liar": ({"ticket": "ben", "authid": "anna"}, False),
    "a latecomer": ({"ticket": "anna", "age": 400}, False),
    "two at once": ({"ticket": "ben", "cookie": ANNAS, "origin": OFFICE}, False),
    "a logged-out page": ({"cookie": UNKNOWN, "origin": OFFICE}, False),
    "a foreign page": ({"cookie": ANNAS, "origin": "https://evil.example"}, False),
    "a script with a cookie": ({"cookie": ANNAS}, False),
    "php, with a cookie": ({"ticket": "", "cookie": ANNAS, "origin": OFFICE}, False),
    "php, through a proxy": ({"ticket": "", "headers": ("X-Forwarded-For: 203.0.113.9",)}, False),
}
"""What each presents, and whether that lets it in. A ticket is named by its user."""

REQUESTS: list[tuple[str, str, str, dict[str, Any], bool]] = [
    ("anna", "subscribe", "oro/email_event/1/1", {}, True),
    ("anna's page", "subscribe", "oro/email_event/1/1", {}, True),
    ("anna", "subscribe", "oro/email_event/1/*", {}, True),
    ("anna", "subscribe", "oro/email_event/2/1", {}, False),
    ("anna", "subscribe", "oro/email_event/01/1", {}, True),
    ("anna", "subscribe", "oro/reminder_remind/1", {}, True),
    ("anna", "subscribe", "oro/data/update", {}, True),
    ("anna", "subscribe", "oro/data/update/", {}, False),
    ("ben", "subscribe", "oro/data/update", {}, True),
    ("ben's page", "subscribe", "oro/data/update", {"match": "wildcard"}, True),
    ("ben", "subscribe", "oro/imap_sync_fail/*", {}, True),
    ("ben", "subscribe", "oro/imap_sync_fail/1", {}, False),
    ("ben", "subscribe", "oro/", {"match": "prefix"}, False),
    ("ben", "subscribe", "oro/reminder_remind/2", {"match": "prefix"}, False),
    ("ben", "subscribe", "", {"match": "prefix"}, False),
    ("ben", "subscribe", ".", {"match": "wildcard"}, False),
    ("ben", "subscribe", "acme/news", {}, True),
    ("anna, twice", "subscribe", "acme/task/1", {}, True),
    ("anna, twice", "subscribe", "acme/task/2", {}, False),
    ("anna", "subscribe", "com.example.undeclared", {}, False),
    ("php", "subscribe", "oro/data/update", {}, True),
    ("php", "subscribe", "oro/email_event/1/1", {}, False),
    ("anna", "publish", "oro/data/update", {}, False),
    ("anna", "publish", "oro/email_event/1/1", {}, False),
    ("anna", "publish", "acme/chat", {}, True),
    ("php", "publish", "acme/private", {}, False),
    ("php", "publish", "com.example.undeclared", {}, False),
    ("anna", "call", "com.orosync.authorize", {}, False),
    ("php", "call", "com.orosync.authenticate", {}, False),
    ("ben", "register", "com.orosync.authorize", {"invoke": "last"}, False),
    ("ben", "register", "com.example.mine", {}, False),
]
"""Who asks for what with which options, and whether that is allowed; in this order."""

EVENTS: list[tuple[str, str, Any, set[str]]] = [
    ("php", "oro/email_event/1/1", {"hasNewEmail": True}, {"anna", "anna's page"}),
    ("php", "oro/email_event/2/1", {"hasNewEmail": True}, set()),
    ("php", "oro/email_event/01/1", {"hasNewEmail": False}, {"anna"}),
    ("php", "oro/email_event/1/*", {"hasNewEmail": True}, {"anna"}),
    ("php", "oro/data/update", [{"username": None, "tagname": "A_1"}], {"anna", "ben", "ben's page"}),
    ("php", "oro/imap_sync_fail/*", {"username": "box@x", "host": "imap.x"}, {"ben"}),
    ("php", "acme/news", "été 😀", {"ben"}),
    ("php", "acme/task/1", [1, 2.5, None, {"a": []}], {"anna, twice"}),
    ("php", "acme/task/2", 1, set()),
]
"""Who publishes what, and who hears it, after the requests above."""

CHANNELS = """
channel.acme/news = subscribe user; publish backend
channel.acme/task/{user_id} = subscribe user; publish backend
channel.acme/chat = subscribe user; publish user or backend
channel.acme/private = subscribe user; publish nobody
"""
"""What [topics:oro] says besides Oro's own."""


class Stage(Protocol):
    """Where it is played."""

    def comes(self, **presented: Any) -> Visitor:
        """A client of COMERS. Raises Denied."""


def play(stage: Stage) -> list[str]:
    """Everything that went otherwise than it should."""
    wrong: list[str] = []
    clients: dict[str, Visitor] = {}
    try:
        for name, (presented, welcome) in COMERS.items():
            try:
                clients[name] = stage.comes(**presented)
            except Denied as denied:
                if welcome:
                    wrong.append(f"{name} is not let in: {denied}")
            else:
                if not welcome:
                    wrong.append(f"{name} is let in")
        for name, action, uri, options, allowed in REQUESTS:
            if _asked(clients[name], action, uri, options) is not allowed:
                wrong.append(f"{name}: {action} {uri} {options} should be {'allowed' if allowed else 'refused'}")
        expected: dict[str, list[tuple[str, Any]]] = {name: [] for name in clients}
        for name, topic, payload, hearers in EVENTS:
            clients[name].publish(topic, payload)
            for hearer in hearers:
                expected[hearer].append((topic, payload))
        for name, client in clients.items():
            heard = client.heard()
            if heard != expected[name]:
                wrong.append(f"{name} has heard {heard}, not {expected[name]}")
    finally:
        for client in clients.values():
            client.close()
    return wrong


def _asked(client: Visitor, action: str, uri: str, options: dict[str, Any]) -> bool:
    try:
        if action == "publish":
            client.publish(uri, "x")
        elif action == "call":
            client.call(uri)
        else:
            getattr(client, action)(uri, **options)
    except Denied as denied:
        return str(denied) != "wamp.error.not_authorized"  # whoever may call what nobody has registered hears otherwise
    return True
