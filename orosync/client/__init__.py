"""orosync as a WAMP client: outgoing transports, login, reconnecting."""
