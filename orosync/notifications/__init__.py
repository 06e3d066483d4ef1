"""What Oro's pages are told: content that is outdated, maintenance, a sign of life.

It must not know transports, or who listens beyond what a watcher of a topic is told.
"""
