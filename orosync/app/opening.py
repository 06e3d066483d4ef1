"""Opens the sockets of listeners; the log says what is served where, or why a socket cannot be had and what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from orosync.config.endpoints import with_backlog
from orosync.config.listen import ListenSection
from orosync.ops import ports
from orosync.transport.settings import SCHEMES

ADVICE = {
    errno.EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE, a UNIX socket a directory to write in",
    errno.EADDRINUSE: "stop that program (ss -ltnp names it) or choose another port",
    errno.EADDRNOTAVAIL: "choose an address of this machine",
}
"""What to do about a listener that cannot be opened."""


class Opening:
    """``sockets`` gets the paths of UNIX sockets that were made."""

    def __init__(self, reactor: Any, log: Logger, sockets: list[str]) -> None:
        self._reactor = reactor
        self._log = log
        self._sockets = sockets

    def open(
        self,
        name: str,
        text: str,
        factory: IProtocolFactory,
        what: str,
        keep: Callable[[IListeningPort], None],
        secure: Callable[[IStreamServerEndpoint], IStreamServerEndpoint] = lambda endpoint: endpoint,
    ) -> Deferred[bool]:
        """Listen for [listen:``name``] on the endpoint ``text``, of which ``secure`` makes one with TLS. ``what`` is
        served there, in words; ``keep`` gets the port. Fires with whether it is open."""
        try:
            endpoint: IStreamServerEndpoint = serverFromString(self._reactor, with_backlog(text))
        except Exception as error:  # systemd: hands over no such socket
            why = f"{type(error).__name__}: {error}"
            self._cannot_listen(name, text, why, "have a .socket unit hand it over by that name")
            return succeed(False)
        listening: Deferred[IListeningPort] = secure(endpoint).listen(factory)

        def opened(port: IListeningPort) -> bool:
            keep(port)
            if text.startswith("unix:"):
                self._sockets.append(os.path.abspath(os.fsdecode(getattr(port.getHost(), "name", ""))))
            self._log.info("[listen:{name}] serves {what} on {endpoint}", name=name, what=what, endpoint=text)
            return True

        def failed(failure: Failure) -> bool:
            fault = getattr(failure.value, "socketError", failure.value)
            advice = ADVICE.get(getattr(fault, "errno", None) or 0, "name another")
            why = getattr(fault, "strerror", None) or str(fault)
            if getattr(fault, "errno", None) == errno.EADDRINUSE and (holder := ports.of_endpoint(text)):
                why = f"{why} by {holder}"
            self._cannot_listen(name, text, why, advice)
            return False

        return listening.addCallbacks(opened, failed)

    def _cannot_listen(self, name: str, endpoint: str, why: str, advice: str) -> None:
        self._log.critical(
            "[listen:{name}] endpoint: cannot listen on {endpoint} ({why}), {advice}",
            name=name, endpoint=endpoint, why=why, advice=advice,
        )  # fmt: skip


def spoken(section: ListenSection) -> str:
    """What URLs of the listener begin with, in words: "ws", "wss and rss"."""
    return " and ".join(one + "s" * section.tls for one in SCHEMES[section.transport])
