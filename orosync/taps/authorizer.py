"""``twistd orosync-authorizer``: an authorizer for another router, Crossbar.io or an orosync.

A module of its own, because twistd finds a command by its module.
"""

from __future__ import annotations

from twisted.application.service import IService

from orosync.taps import router


class AuthorizerOptions(router.RouterOptions):
    """As the router's own; the file has an [attach]."""

    command, example = "orosync-authorizer", "etc/crossbar/authorizer.ini"
    longdesc = "Tells a router what its clients may do, by the rules of the configuration file."


Options = AuthorizerOptions
"""The name under which twistd looks for it."""


def makeService(options: AuthorizerOptions) -> IService:
    """Build the authorizer; a configuration that cannot be built ends the process with status 1."""
    from twisted.internet import reactor

    from orosync.app.attached import build

    router.steady(reactor)
    ending = router.ending(options, reactor)
    configuration = options["configuration"]
    return router.or_give_up(lambda: build(configuration, reactor, "authorizer", ending), configuration)
