"""The configuration: ``load`` reads an ini file into one frozen Configuration, or reports every fault of it at once.

    source.py     ini text -> raw sections with line numbers
    readers.py    readers of single values; endpoints.py, rules.py and accounts.py: of those with a syntax of their own
    fields.py     how a section class is described, and made from its raw text
    sections.py   the sections, key by key; more of them in listen.py, realms.py, authentication.py, sessions.py,
                  uplinks.py and attached.py
    settings.py   Configuration
    defaults.py   defaults that depend on the machine or on other sections
    checks.py     faults between sections
    warnings.py   what works and is likely to be a mistake; exposure.py: files that other users can read or change
    loader.py     load
    reference.py  the tables of docs/configuration.md

Other packages use the values, not the readers. ``use = package.module:factory`` is only a name here;
``orosync.registry`` imports it.
"""

from orosync.config.loader import load
from orosync.config.settings import Configuration

__all__ = ["Configuration", "load"]
