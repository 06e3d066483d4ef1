"""Plain HTTP on a WebSocket port: a Twisted site that keeps no access log and starts no timers of its own.

It knows nothing of the pages, nor of how a connection comes to it.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.web.http import Request
from twisted.web.resource import IResource
from twisted.web.server import Site


class QuietSite(Site):
    """Requests are not logged: their lines may hold tickets, and counting them is the resource's business."""

    displayTracebacks = False

    def log(self, request: Request) -> None:
        """No access log."""


def quiet_site(root: IResource, clock: IReactorTime) -> QuietSite:
    """A site that serves ``root`` and tells time by ``clock``."""
    return QuietSite(root, reactor=clock)
