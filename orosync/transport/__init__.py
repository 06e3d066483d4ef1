"""Bytes in and out: WebSocket, RawSocket and HTTP long-poll, over TCP, UNIX sockets and TLS, with every limit that a
public port needs.

This room knows addresses, origins, frames, timers and queues. It must not know realms, topics, tickets or what a
message means.
"""
