"""Bytes in and out: WebSocket, RawSocket and HTTP long-poll over TCP, UNIX sockets and TLS, with the limits that a
public port needs.

``listener`` describes the way of a connection from accept to handshake; ``connection`` what happens afterwards.
"""
