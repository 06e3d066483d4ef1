"""The commands that orosync adds to twistd, each by the name of its module.

Every run of twistd and trial on the machine imports this file: it must not import anything of orosync.
"""

from twisted.application.service import ServiceMaker

orosync = ServiceMaker("orosync", "orosync.taps.router", "A WAMP router for Oro applications.", "orosync")
