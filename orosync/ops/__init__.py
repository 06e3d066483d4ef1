"""Running orosync day by day: the journal, and what the machine's service manager is told."""
