"""The configuration: ``load`` reads an ini file into one frozen Configuration, or reports every fault of it at once.

    reader.py         ini text -> raw sections with line numbers
    values.py         readers of single values; secrets.py, endpoints.py, rules.py, history.py, users.py and accounts.py
                      for those with more to them
    keys.py           how a section class is described and made
    sections.py       the sections, key by key; realms.py, listen.py, methods.py, sessions.py, remote.py, components.py,
                      uplinks.py and attach.py some more of them
    shape.py          Configuration
    settle.py         defaults that depend on the machine or on other sections
    checks.py         faults between sections, warnings; uplink_checks.py, attach_checks.py, remote_checks.py
    configuration.py  load
    reference.py      the tables of docs/configuration.md

The rest of the house uses values from here and nothing of how they came to be. ``use = package.module:factory`` is
only a name here; ``orosync.registry`` imports it.
"""

from orosync.config.loader import load
from orosync.config.settings import Configuration

__all__ = ["Configuration", "load"]
