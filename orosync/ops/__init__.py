"""The journal: counted events and their log lines."""
