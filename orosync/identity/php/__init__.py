"""PHP's sessions as inert values, and the back-office user of a session. Nothing here does I/O."""
