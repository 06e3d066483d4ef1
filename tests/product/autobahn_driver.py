"""autobahn-python as a client, driven like tests/js/driver.mjs: JSON commands come in, JSON answers go out.

python autobahn_driver.py URL '{"realm": ..., "serializer": ..., "ticket": ..., "authid": ...}'

"batched" means batches, "deflate" compression. URLs begin with ws, wss, rs or rss; rs://unix:/path is a UNIX socket.

With "method" it is wampcra (and "secret"), scram ("secret") or cryptosign ("key", "channel_binding"); "authmethods" are
then offered instead of that method alone. "certificate" is the path of a TLS client certificate and its key. Who calls
a procedure with "whoami" is told the authid that the callee was told, null if none.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import json
import math
import sys
import uuid
from pathlib import Path

import cbor2
import msgpack
from autobahn.rawsocket.util import parse_url
from autobahn.twisted.rawsocket import WampRawSocketClientFactory
from autobahn.twisted.wamp import ApplicationSession
from autobahn.twisted.websocket import WampWebSocketClientFactory, WampWebSocketClientProtocol
from autobahn.wamp.auth import create_authenticator
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.serializer import CBORSerializer, JsonSerializer, MsgPackSerializer
from autobahn.wamp.types import (
    CallOptions,
    CallResult,
    ComponentConfig,
    PublishOptions,
    RegisterOptions,
    SubscribeOptions,
)
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateResponseAccept
from OpenSSL.crypto import FILETYPE_PEM, load_certificate, load_privatekey
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.ssl import CertificateOptions
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver

SERIALIZERS = {"json": JsonSerializer, "msgpack": MsgPackSerializer, "cbor": CBORSerializer}
OPTIONS = json.loads(sys.argv[2])
NAMES = {each.__name__: each for each in (cbor2, msgpack, math, uuid, datetime, decimal, fractions)}


def say(**what):
    def other(value):
        return {"binary": bytes(value).hex()} if isinstance(value, bytes) else {"other": repr(value)}

    sys.stdout.write(json.dumps(what, default=other) + "\n")
    sys.stdout.flush()


def revive(value):
    """{"binary": hex} stands for bytes, {"py": code} for what it evaluates to."""
    if isinstance(value, list):
        return [revive(one) for one in value]
    if isinstance(value, dict):
        if "py" in value:
            return eval(value["py"], dict(NAMES))
        return bytes.fromhex(value["binary"]) if "binary" in value else {k: revive(v) for k, v in value.items()}
    return value


def authenticator():
    """autobahn's own, for the method of the options."""
    method, options = OPTIONS["method"], {key: OPTIONS[key] for key in ("authid",) if key in OPTIONS}
    if method == "cryptosign":
        extra = {"channel_binding": OPTIONS["channel_binding"]} if "channel_binding" in OPTIONS else {}
        options.update(privkey=OPTIONS["key"], authextra=extra)
    else:
        options["password" if method == "scram" else "secret"] = OPTIONS["secret"]
    return create_authenticator(method, **options)


class Session(ApplicationSession):
    method = None

    def onConnect(self):
        if "method" in OPTIONS:
            self.method = authenticator()
            offered = OPTIONS.get("authmethods", [OPTIONS["method"]])
            self.join(OPTIONS["realm"], offered, OPTIONS.get("authid"), authextra=self.method.authextra)
        elif "ticket" in OPTIONS:
            self.join(OPTIONS["realm"], ["ticket"], OPTIONS.get("authid"))
        else:
            self.join(OPTIONS["realm"], ["anonymous"])

    def onChallenge(self, challenge):
        if self.method is None:
            return OPTIONS["ticket"]
        answer = self.method.on_challenge(self, challenge)
        return answer.decode() if isinstance(answer, bytes) else answer

    def onWelcome(self, welcome):
        return self.method.on_welcome(self, welcome.authextra) if self.method is not None else None

    def onJoin(self, details):
        self.held, self.calls, self.waiting = {}, {}, []
        self.commands = Commands(self)
        StandardIO(self.commands)
        say(ready=details.session, role=details.authrole, method=details.authmethod, authid=details.authid)

    def onLeave(self, details):
        say(left=details.reason, message=details.message)
        self.disconnect()

    def onDisconnect(self):
        if reactor.running:
            reactor.stop()

    def do_subscribe(self, uri, options=None, **_):
        def handler(*args, details=None, **kwargs):
            about = {"by": details.publisher_authid, "hash": details.transaction_hash}
            say(event=details.topic or uri, args=list(args), kwargs=kwargs, **about)

        options = SubscribeOptions(details_arg="details", **(options or {}))
        return self.subscribe(handler, uri, options).addCallback(lambda s: self.held.__setitem__(uri, s))

    def do_unsubscribe(self, uri, **_):
        return self.held.pop(uri).unsubscribe().addCallback(lambda _: None)

    def do_publish(self, uri, args=(), kwargs=None, options=None, **_):
        done = self.publish(uri, *revive(args or []), options=PublishOptions(**(options or {})), **revive(kwargs or {}))
        return done.addCallback(lambda _: "published") if done is not None else None

    def do_call(self, uri, ident, args=(), kwargs=None, options=None, **_):
        def answer(result):
            if isinstance(result, CallResult):
                return {"args": list(result.results), "kwargs": result.kwresults}
            return {"args": [] if result is None else [result], "kwargs": {}}

        def on_progress(*args, **kwargs):
            say(progress=ident, args=list(args), kwargs=kwargs)

        options = dict(options or {})
        if options.pop("receive_progress", False):
            options["on_progress"] = on_progress
        chosen = CallOptions(**options) if options else None
        self.calls[ident] = self.call(uri, *revive(args or []), options=chosen, **revive(kwargs or {}))
        return self.calls[ident].addCallback(answer)

    def do_cancel(self, options, **_):
        self.calls[options["call"]].cancel()

    def do_register(self, uri, options=None, **_):
        def procedure(*args, details, **kwargs):
            if "fail" in kwargs:
                raise ApplicationError(kwargs["fail"], *args)
            if args and isinstance(args[0], dict) and "fail" in args[0]:  # v1 has no keywords to say it by
                raise ApplicationError(args[0]["fail"], *args[1:])
            if "whoami" in kwargs:
                return CallResult(details.caller_authid)
            if "steps" in kwargs:
                for step in range(kwargs["steps"] if details.progress else 0):
                    details.progress(step)
                return CallResult(kwargs["steps"])
            if "wait" in kwargs:
                say(sign="invoked", uri=uri)
                self.waiting.append(Deferred(interrupted))
                return self.waiting[-1]
            return CallResult(*args, **kwargs)

        def interrupted(waiting):
            say(sign="interrupted", uri=uri)
            self.waiting.remove(waiting)
            waiting.errback(ApplicationError("wamp.error.canceled"))

        made = self.register(procedure, uri, RegisterOptions(details_arg="details", **(options or {})))
        return made.addCallback(lambda r: self.held.__setitem__(uri, r))

    def do_release(self, **_):
        while self.waiting:
            self.waiting.pop().callback(CallResult("late"))

    def do_unregister(self, uri, **_):
        return self.held.pop(uri).unregister().addCallback(lambda _: None)

    def do_close(self, **_):
        self.leave()


class Commands(LineReceiver):
    delimiter = b"\n"

    def __init__(self, session):
        self.session = session

    def lineReceived(self, line):
        command = json.loads(line)
        ident, method = command.pop("id"), getattr(self.session, f"do_{command.pop('do')}")
        maybeDeferred(method, ident=ident, **command).addCallbacks(
            lambda value: say(id=ident, ok=value),
            lambda failure: say(
                id=ident,
                error=getattr(failure.value, "error", type(failure.value).__name__),
                message=str(failure.value),
            ),
        )

    def connectionLost(self, reason):
        if reactor.running:
            reactor.stop()


def main(url):
    session = Session(ComponentConfig(OPTIONS["realm"], None))
    serializer = SERIALIZERS[OPTIONS.get("serializer", "json")](batched=OPTIONS.get("batched", False))
    if url.startswith("rs"):
        secure, host, port = parse_url(url)
        factory = WampRawSocketClientFactory(lambda: session, serializer=serializer)
    else:
        factory = WampWebSocketClientFactory(lambda: session, url=url, serializers=[serializer])
        factory.protocol = WampWebSocketClientProtocol
        if OPTIONS.get("deflate"):
            factory.setProtocolOptions(
                perMessageCompressionOffers=[PerMessageDeflateOffer()],
                perMessageCompressionAccept=PerMessageDeflateResponseAccept,
            )
        secure, host, port = factory.isSecure, factory.host, factory.port
    endpoint = UNIXClientEndpoint(reactor, port) if host == "unix" else TCP4ClientEndpoint(reactor, host, port)
    if secure:
        presented = {}
        if "certificate" in OPTIONS:
            pem = Path(OPTIONS["certificate"]).read_bytes()
            presented = {
                "privateKey": load_privatekey(FILETYPE_PEM, pem),
                "certificate": load_certificate(FILETYPE_PEM, pem),
            }
        endpoint = wrapClientTLS(CertificateOptions(verify=False, **presented), endpoint)
    endpoint.connect(factory)
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1])
