"""xconn as a client, driven like tests/js/driver.mjs: JSON commands come in, JSON answers go out.

python xconn_driver.py URL '{"realm": ..., "serializer": ..., "ticket": ..., "authid": ...}'

URLs begin with ws or rs. The client knows neither results on the way nor how to cancel; a procedure that waits keeps
its whole session waiting.
"""

from __future__ import annotations

import json
import os
import sys
import threading

from wampproto.auth import AnonymousAuthenticator, TicketAuthenticator
from wampproto.serializers import CBORSerializer, JSONSerializer, MsgPackSerializer
from xconn.client import Client
from xconn.exception import ApplicationError
from xconn.types import Invocation, Result, TransportConfig

SERIALIZERS = {"json": JSONSerializer, "msgpack": MsgPackSerializer, "cbor": CBORSerializer}
OPTIONS = json.loads(sys.argv[2])
_speaking = threading.Lock()


def say(**what):
    def binary(value):
        return {"binary": bytes(value).hex()}

    with _speaking:
        sys.stdout.write(json.dumps(what, default=binary) + "\n")
        sys.stdout.flush()


def revive(value):
    """{"binary": hex} stands for bytes."""
    if isinstance(value, list):
        return [revive(one) for one in value]
    if isinstance(value, dict):
        return bytes.fromhex(value["binary"]) if "binary" in value else {k: revive(v) for k, v in value.items()}
    return value


class Commands:
    """One method for each command; each may block."""

    def __init__(self, session):
        self.session = session
        self.held = {}
        self.released = threading.Event()

    def subscribe(self, uri, options=None, **_):
        def handler(event):
            say(event=(event.details or {}).get("topic") or uri, args=event.args, kwargs=event.kwargs)

        self.held[uri] = self.session.subscribe(uri, handler, options)

    def unsubscribe(self, uri, **_):
        self.held.pop(uri).unsubscribe()

    def publish(self, uri, args=None, kwargs=None, options=None, **_):
        self.session.publish(uri, revive(args), revive(kwargs), options)
        return "published" if (options or {}).get("acknowledge") else None

    def call(self, uri, args=None, kwargs=None, options=None, **_):
        result = self.session.call(uri, revive(args), revive(kwargs), options)
        return {"args": result.args or [], "kwargs": result.kwargs or {}}

    def register(self, uri, options=None, **_):
        def procedure(invocation: Invocation) -> Result:
            args, kwargs = invocation.args or [], invocation.kwargs or {}
            if "fail" in kwargs:
                raise ApplicationError(kwargs["fail"], *args)
            if "steps" in kwargs:
                return Result([kwargs["steps"]])
            if "wait" in kwargs:
                say(sign="invoked", uri=uri)
                self.released.wait()
                self.released.clear()
                return Result(["late"])
            return Result(args, kwargs)

        self.held[uri] = self.session.register(uri, procedure, options)

    def unregister(self, uri, **_):
        self.held.pop(uri).unregister()

    def release(self, **_):
        self.released.set()

    def close(self, **_):
        self.session.leave()


def main(url):
    authid = OPTIONS.get("authid", "")
    who = TicketAuthenticator(authid, OPTIONS["ticket"]) if "ticket" in OPTIONS else AnonymousAuthenticator(authid)
    try:
        config = TransportConfig(tcp_nodelay=True)  # it writes a frame in two pieces
        client = Client(who, SERIALIZERS[OPTIONS.get("serializer", "json")](), config)
        session = client.connect(url, OPTIONS["realm"])
    except Exception as error:
        say(error=getattr(error, "message", type(error).__name__), message=str(error))
        os._exit(1)
    say(ready=session._base_session.id)
    commands = Commands(session)

    def run(command):
        ident = command.pop("id")
        try:
            say(id=ident, ok=getattr(commands, command.pop("do"))(**command))
        except ApplicationError as error:
            say(id=ident, error=error.message, message=str(error.args))
        except Exception as error:
            say(id=ident, error=type(error).__name__, message=str(error))

    for line in sys.stdin:
        # Each by itself: a call may wait for a registration made by the next line.
        threading.Thread(target=run, args=(json.loads(line),), daemon=True).start()
    os._exit(0)  # the session's own thread does not end


if __name__ == "__main__":
    main(sys.argv[1])
