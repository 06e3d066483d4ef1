"""The composition: everything of one process made from its configuration. Nothing else builds.

    parts.py        Parts: every part, made when first asked for, all faults at once
    deciding.py     who decides in a realm, made anew at a reload
    reloading.py    the rules read anew while the router runs
    listening.py    what a listener's section means to the transport that serves it
    credentials.py  what a listener with TLS shows
    hosting.py      the application's components in this process
    process.py      this process, as whoever started it sees it
    ending.py       its end, over in time whatever hangs
    stopping.py     what is being stopped, by name
    threads.py      where threads stand
    attached.py     orosync's judgement on offer in another router

``orosync.service`` joins the parts to listeners. Reactor and clock come in as arguments; nothing here may parse
anything or decide anything of a protocol.
"""

from orosync.composition.parts import Parts

__all__ = ["Parts"]
