"""Every exception that orosync raises on purpose, by cause: the administrator, a client, a callee, or none of them.

OrosyncError
 +-- ConfigError           the administrator's: every fault of a configuration at once
 +-- NodeNameTaken         the administrator's: two nodes of one router have the same name
 +-- ChannelLost           no fault: another process of this router has ended
 +-- NotDone               another process of this router could not do what it was asked to
 +-- Refused               a client is not let in (``Unavailable``: because something is down)
 |    +-- Unavailable
 +-- ProtocolViolation     the peer's: costs it its session (v2: ABORT, v1: close 1007)
 +-- RequestError          the peer's: costs it one ERROR, the session lives on
 +-- CallFailed            a callee's: a call that orosync made itself brought no result
 +-- Unfit                 the peer's: a message with a value that cannot be delivered costs its request an ERROR
 +-- NotCarriable          no fault: a payload that a receiver's serializer cannot express
      +-- TooLong          no fault: a message longer than its receiver takes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SHOWN = 200
"""Characters of a client's words in an error's text."""


class OrosyncError(Exception):
    """The root of the tree; never raised itself."""


class ConfigError(OrosyncError):
    """A configuration that cannot be used.

    ``faults`` holds one line for each fault: ``[section] key: what is wrong and what to do``.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class NodeNameTaken(OrosyncError):
    """Another node with this node's name is running: each needs a name of its own ([router] node)."""


class ChannelLost(OrosyncError):
    """The channel to another process of this router has ended before an answer came."""


class NotDone(OrosyncError):
    """Another process of this router could not do what it was asked to; the text is for people."""


class Refused(OrosyncError):
    """A client is not authenticated or not accepted.

    ``reason`` is for the log alone and never holds a credential; the client gets one answer for
    every reason. ``code`` is the reason code, a short stable word that counters are labelled with.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Unavailable(Refused):
    """Refused because a directory, session store, authorizer or queue cannot answer now (HTTP 503)."""


def backplane_down(reason: str) -> Unavailable:
    """What the nodes share cannot be asked now."""
    return Unavailable("backplane_down", reason)


class ProtocolViolation(OrosyncError):
    """The peer broke its protocol: the session ends, other clients are not affected."""


class RequestError(OrosyncError):
    """One request is answered with an ERROR carrying ``uri``; ``message`` explains it to the client."""

    def __init__(self, uri: str, message: str) -> None:
        super().__init__(f"{uri}: {message}")
        self.uri = uri
        self.message = message


class Unfit(OrosyncError):
    """A well-formed message holds a value that cannot be delivered (a CBOR tag that is not carried, too many levels).

    ``message`` is without its payload, and without those of its options that are the reason.
    """

    def __init__(self, reason: str, message: Any) -> None:
        super().__init__(reason)
        self.message = message


class CallFailed(OrosyncError):
    """A call that orosync made itself ended with an ERROR, or could not be made.

    ``uri`` is the ERROR's, and one of WAMP's own where there was no answer (no such procedure, callee gone, too
    many calls). ``arguments`` and ``kwargs`` are the ERROR's, for the caller; the exception's text has of them the
    first argument alone, where it is a text, cut short.
    """

    def __init__(self, uri: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> None:
        told = f": {args[0][:SHOWN]}" if args and isinstance(args[0], str) else ""
        super().__init__(f"{uri}{told}")
        self.uri = uri
        self.arguments = tuple(args)
        self.kwargs = dict(kwargs or {})


class NotCarriable(OrosyncError):
    """A payload holds something that a serializer cannot express (NaN, a big integer, a non-string key)."""


class TooLong(NotCarriable):
    """A message is longer than its receiver said it takes (RawSocket)."""
