"""Builds everything from the configuration, joins it to the listeners, starts, reloads and stops it."""
