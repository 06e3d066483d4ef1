"""The demonstration: a small Oro-like application, so that orosync can be seen at work without an Oro."""
