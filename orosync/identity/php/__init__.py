"""PHP's sessions as inert values, and the back-office user that one of them holds.

Nothing here does I/O, knows where a session was stored, or decides whether its user may come in.
"""
