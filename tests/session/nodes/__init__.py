"""One realm on several nodes: tests of each subject, and of all of them together."""
