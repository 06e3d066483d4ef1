"""``twistd orosync-authenticator``: an authenticator for another router, Crossbar.io or an orosync.

A module of its own, because twistd finds a command by its module.
"""

from __future__ import annotations

from twisted.application.service import IService

from orosync.taps import router


class AuthenticatorOptions(router.RouterOptions):
    """As the router's own; the file has an [attach]."""

    command, example = "orosync-authenticator", "etc/crossbar/authenticator.ini"
    longdesc = "Tells a router who its clients are, by Oro's tickets and cookies, as the configuration file says."


Options = AuthenticatorOptions
"""The name under which twistd looks for it."""


def makeService(options: AuthenticatorOptions) -> IService:
    """Build the authenticator; a configuration that cannot be built ends the process with status 1."""
    from twisted.internet import reactor

    from orosync.app.attached import build

    router.steady(reactor)
    ending = router.ending(options, reactor)
    configuration = options["configuration"]
    return router.or_give_up(lambda: build(configuration, reactor, "authenticator", ending), configuration)
