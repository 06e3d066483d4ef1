"""autobahn's server protocol without what costs time at each accept, and without its log.

Its settings stand on the class, it logs nothing (it would log whole requests, tickets included), and its timers,
futures and statistics are replaced by shared objects that do nothing. What is left handles the frames that the fast
loop of ``websocket`` does not take: fragments, closing, and the close code for each violation.
"""

from __future__ import annotations

from typing import Any

from autobahn.twisted.websocket import WebSocketServerProtocol
from autobahn.websocket.protocol import TrafficStats


class _Silence:
    """A logger that drops everything."""

    def _drop(self, *_: object, **__: object) -> None:
        """Nothing of a request may reach the log through autobahn."""

    trace = debug = info = warn = error = critical = _drop


class _Settled:
    """A future without callbacks."""

    def callback(self, _: object) -> None:
        """autobahn announces opening and closing here; WebSocketConnection does not need it."""


class _ServerRole:
    """All that autobahn's protocol reads of its factory once the handshake is over."""

    isServer = True


CLOSED, CONNECTING, CLOSING, OPEN = 0, 1, 2, 3
"""autobahn's states. CLOSED: what arrives is dropped, even while the TCP connection still ends."""


class ConnectionFailed(Exception):
    """Raised to leave autobahn's parser, which would go on with the frame at which the connection failed."""


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
    # All timeouts are those of Connection.
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
        """autobahn's own sets up futures, events and transport details that are not used here."""

    def unregisterProducer(self) -> None:
        """There is none."""
