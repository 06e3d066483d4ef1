"""WAMP components: those of the application in this process, and orosync's own in other routers.

    embedded.py, hosted.py, hearing.py   a component of the application in this process
    uplink.py                            joins a realm to another router: far.py, side.py, events.py, calls.py
    attachment.py                        keeps procedures on offer in another router: authentication.py (with
                                         identification.py), authorization.py
    lines.py, login.py, attempts.py      connections to another router

It must not know our router's insides.
"""
