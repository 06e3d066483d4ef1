"""The control socket of this process, at which the `orosync` command asks and has things done."""

from __future__ import annotations

import errno
import os
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from orosync.config import Configuration
from orosync.config.operations import control_sockets, in_good_hands, short_directory
from orosync.ops.control import Control, control_site


class ControlSocket(Service):
    """The socket, while the router runs. One that cannot be made costs the commands alone: the log says why."""

    _log = Logger()

    def __init__(self, control: Control, configuration: Configuration, reactor: Any) -> None:
        self._control = control
        self._router = router = configuration.router
        self._reactor = reactor
        self.path = control_sockets(router.control, configuration.path, router.state, os.environ)[0]
        self._port: IListeningPort | None = None

    def startService(self) -> None:
        """Make the socket. One that a router left behind is replaced, one that a router serves is not."""
        super().startService()  # type: ignore[no-untyped-call]
        site = control_site(self._control, self._reactor)
        for uid in self._router.control_readers:
            if not self._control.known(uid):
                self._log.warn(
                    "[router] control_readers: user {uid} will be denied, since the service has users of its own "
                    "(PrivateUsers=): set PrivateUsers=no in a drop-in of the unit",
                    uid=uid,
                )
        mode = 0o666 if self._router.control_readers else 0o600
        try:
            self._make_directory()
            self._port = self._reactor.listenUNIX(os.fspath(self.path), site, mode=mode, wantPID=True)
        except Exception as error:
            if site.numPorts:
                site.doStop()  # Twisted starts it before it binds the socket
            why = getattr(getattr(error, "socketError", error), "strerror", None) or str(error) or type(error).__name__
            self._log.warn(
                "[router] control: no control socket at {path} ({why}): the commands that ask a running router cannot "
                "reach this one, name a directory to write in",
                path=os.fspath(self.path), why=why,
            )  # fmt: skip

    def _make_directory(self) -> None:
        """Raises OSError, also where another user has made that in which everyone may."""
        directory = self.path.parent
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if directory == short_directory(os.getuid()):
            if not in_good_hands(self.path):
                raise PermissionError(errno.EPERM, f"{directory} is no directory of this user alone")
            if self._router.control_readers:
                directory.chmod(0o711)

    def stopService(self) -> Deferred[None]:
        """Remove the socket."""
        super().stopService()  # type: ignore[no-untyped-call]
        port, self._port = self._port, None
        closing: Any = None if port is None else port.stopListening()
        return closing if isinstance(closing, Deferred) else succeed(None)
