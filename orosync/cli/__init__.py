"""The ``orosync`` command: tickets, sessions, rules and configurations are examined with the parts of a router."""
