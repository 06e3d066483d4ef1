"""The protocol as values: messages, payloads, serializers, the tables of sessions, URIs, ids, framing.

No I/O, no clock, no reactor. It must not know sockets, Oro, or who is allowed what.
"""
