"""A WAMP client over HTTP long-poll, as the specification has it, for tests."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from typing import Any

SECONDS = 15.0
ROLES = {"publisher": {}, "subscriber": {}, "caller": {}, "callee": {}}


class Refused(Exception):
    """A request was answered with ``status``."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Poller:
    """Opened unless the server refuses; one connection for what is sent, one for what is received."""

    def __init__(
        self,
        port: int,
        *protocols: str,
        base: str = "/lp",
        query: str = "",
        origin: str | None = "http://127.0.0.1",
        tls: bool = False,
        headers: dict[str, str] | None = None,
    ) -> None:
        self._origin = origin
        self._headers = headers or {}
        context = ssl._create_unverified_context() if tls else None
        self._ways = [
            http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=context)
            if tls
            else http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
            for _ in range(2)
        ]
        body = json.dumps({"protocols": protocols or ("wamp.2.json",)}).encode()
        status, answer = self.post(f"{base}/open{query}", body)
        if status != 200:
            self.disconnect()
            raise Refused(status)
        opened = json.loads(answer)
        self.protocol: str = opened["protocol"]
        self.path = f"{base}/{opened['transport']}"

    def post(self, path: str, body: bytes = b"", way: int = 0) -> tuple[int, bytes]:
        """One request; status and body of the answer."""
        headers = {"Content-Type": "application/json", **self._headers}
        if self._origin is not None:
            headers["Origin"] = self._origin
        self._ways[way].request("POST", path, body, headers)
        answer = self._ways[way].getresponse()
        self.last = answer
        return answer.status, answer.read()

    def send(self, *messages: Any) -> None:
        """Each message in JSON. Raises Refused."""
        for message in messages:
            self.send_body(json.dumps(message).encode())

    def send_body(self, body: bytes) -> None:
        status, _ = self.post(f"{self.path}/send", body)
        if status != 204:
            raise Refused(status)

    def receive(self) -> bytes:
        """The body of the next answer that has one. Raises Refused."""
        while True:
            status, body = self.post(f"{self.path}/receive", way=1)
            if status == 200:
                return body
            if status != 204:
                raise Refused(status)

    def read(self) -> Any:
        """The next message in JSON."""
        return json.loads(self.receive())

    def join(self, realm: str = "open", **details: Any) -> Poller:
        self.send([1, realm, {"roles": ROLES, **details}])
        answer = self.read()
        assert answer[0] == 2, answer
        return self

    def close(self) -> int:
        """The status of closing."""
        return self.post(f"{self.path}/close")[0]

    def leave(self) -> None:
        """Close if that is still possible, so that a router that stops need not wait for us."""
        self.disconnect()
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.close()
        self.disconnect()

    def disconnect(self) -> None:
        for way in self._ways:
            way.close()
