"""The commands that orosync adds to twistd, each by the name of its module.

Every run of twistd and trial on the machine imports this file: it must not import anything of orosync.
"""

from twisted.application.service import ServiceMaker

orosync = ServiceMaker("orosync", "orosync.taps.router", "A WAMP router for Oro applications.", "orosync")
orosync_authenticator = ServiceMaker(
    "orosync-authenticator",
    "orosync.taps.authenticator",
    "Tells a WAMP router who its clients are.",
    "orosync-authenticator",
)
orosync_authorizer = ServiceMaker(
    "orosync-authorizer",
    "orosync.taps.authorizer",
    "Tells a WAMP router what its clients may.",
    "orosync-authorizer",
)
