"""What a CALL asks for besides its procedure, read once and checked (WAMP, ``CALL.Options``).

It must not know who gets the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from orosync.errors import ProtocolViolation
from orosync.router.options import flag, whole
from orosync.wamp.passthru import described

STREAMS = "progressive_call_invocations"


class Asked(NamedTuple):
    """``progress``: progressive results are welcome. ``streaming``: more of the payload follows. ``timeout``: in
    milliseconds, 0 for none. ``sealed``: the options of a payload that only the callee can read. ``disclose`` and
    ``told`` as for ``Dealer.call``."""

    procedure: str
    disclose: bool = False
    told: Mapping[str, Any] | None = None
    progress: bool = False
    streaming: bool = False
    timeout: int = 0
    sealed: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls,
        procedure: str,
        options: Mapping[str, Any],
        features: frozenset[str],
        disclose: bool,
        told: Mapping[str, Any] | None,
    ) -> Asked:
        """RequestError INVALID_ARGUMENT for an option of a wrong type; ProtocolViolation for what the caller has not
        announced among its ``features``."""
        return cls(
            procedure,
            disclose,
            told,
            flag(options, "receive_progress"),
            streams_on(options, features),
            whole(options, "timeout") or 0,
            described(options, features, "caller"),
        )


def streams_on(options: Mapping[str, Any], features: frozenset[str]) -> bool:
    """Whether more of the payload follows in further CALLs. Fails as ``Asked.of``."""
    streaming = flag(options, "progress")
    if streaming and f"caller.{STREAMS}" not in features:
        raise ProtocolViolation(f"CALL with progress without having announced {STREAMS}")
    return streaming
