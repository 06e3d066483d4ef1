"""The protocol as values: messages, payloads, serializers, the life cycle of sessions, URIs, ids, framing.

No I/O, no clock, no reactor.
"""
