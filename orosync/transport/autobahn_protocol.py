"""autobahn's server protocol with everything taken off that costs at each accept, or that talks.

Its settings stand on the class, its log says nothing (it would write whole requests, tickets included), and its
timers, futures and statistics are replaced by shared objects that do nothing. What is left is its conduct: frames
that the fast loop does not take, pings, closing, and the code for every violation. It knows no session.
"""

from __future__ import annotations

from typing import Any

from autobahn.twisted.websocket import WebSocketServerProtocol
from autobahn.websocket.protocol import TrafficStats


class _Silence:
    """A logger that drops everything."""

    def _drop(self, *_: object, **__: object) -> None:
        """Nothing of a request may reach a log through autobahn."""

    trace = debug = info = warn = error = critical = _drop


class _Settled:
    """A future that nobody waits for."""

    def callback(self, _: object) -> None:
        """autobahn announces opening and closing here; the link has its own ways."""


class _ServerRole:
    """All that autobahn's protocol reads of its factory once the handshake is over."""

    isServer = True


CLOSED, CONNECTING, CLOSING, OPEN = 0, 1, 2, 3
"""autobahn's states. CLOSED: nothing that arrives is looked at any more, even while the connection still ends."""


class ConnectionFailed(Exception):
    """Leaves autobahn's parser where it stands: it would go on with the frame at which the connection failed."""


class AutobahnServerProtocol(WebSocketServerProtocol):
    """The part of autobahn that orosync keeps, configured on the class."""

    log = _Silence()
    factory: Any = _ServerRole()
    is_open = is_closed = _Settled()
    trafficStats = TrafficStats()
    _transport_details: Any = None

    CONFIG_ATTRS: list[str] = []  # noqa: RUF012
    versions = (13,)
    websocket_version = 13
    logOctets = logFrames = trackTimings = False
    trackedTimings: Any = None
    webStatus = serveFlashSocketPolicy = False
    utf8validateIncoming = applyMask = requireMaskedClientFrames = True
    maskServerFrames = False
    autoFragmentSize = 0
    # Violations are answered with a CLOSE frame that carries their code.
    failByDrop = False
    echoCloseCodeReason = False
    # Every time-out is the link's, on one timers.
    openHandshakeTimeout = closeHandshakeTimeout = autoPingInterval = autoPingTimeout = 0
    autoPingRestartOnAnyTraffic = False
    openHandshakeTimeoutCall = closeHandshakeTimeoutCall = autoPingTimeoutCall = None
    autoPingPending = autoPingPendingCall = None
    perMessageCompressionAccept = staticmethod(lambda offers: None)
    _perMessageCompress: Any = None
    allowedOriginsPatterns = ()
    maxConnections = trustXForwardedFor = 0

    data = b""
    current_frame: Any = None
    inside_message = False
    failedByMe = closedByMe = droppedByMe = False
    wasClean = False
    wasNotCleanReason: Any = None
    wasMaxFramePayloadSizeExceeded = wasMaxMessagePayloadSizeExceeded = False
    localCloseCode = localCloseReason = remoteCloseCode = remoteCloseReason = None
    state = WebSocketServerProtocol.STATE_CONNECTING
    send_state = WebSocketServerProtocol.SEND_STATE_GROUND

    def __init__(self) -> None:
        """autobahn's own sets up futures, events and transport details that nobody here uses."""

    def unregisterProducer(self) -> None:
        """There is none."""
