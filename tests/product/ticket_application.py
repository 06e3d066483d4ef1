"""The back office's ``POST /admin/sync/ticket`` in a process of its own, for tests that kill it.

python -m tests.product.ticket_application PORT ID=USERNAME ...
"""

from __future__ import annotations

import sys

from twisted.internet import reactor
from twisted.web.server import Site

from orosync.model import AdminSession
from tests.identity.sessions.application import Application


def main(port: int, sessions: list[str]) -> None:
    """Serves until it is ended; the sessions are numbered as they come."""
    application = Application()
    for number, session in enumerate(sessions, 1):
        session_id, _, username = session.partition("=")
        application.sessions[session_id] = AdminSession(username, number)
    reactor.listenTCP(port, Site(application), interface="127.0.0.1")  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
