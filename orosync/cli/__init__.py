"""The ``orosync`` command: questions about tickets, sessions, rules and configurations, answered without a router.

It must not know how anything is judged: it asks the parts that a router would.
"""
