"""The control socket: the `orosync` command asks this process, and has it act, over a private UNIX socket.

HTTP on a UNIX socket: ``POST /VERB`` with the arguments as a JSON object. The answer is a JSON value, or, of a
``StreamingVerb``, a JSON object in each line until either side ends. What cannot be done is ``{"error": words}`` with
status 400, 403 for a user who may not, 404 for a verb that is not there.

Who asks is told by the kernel (SO_PEERCRED, unix(7)): root and the user that this process runs as may do everything,
``readers`` may ask. Each act is written to the log with the user, before it is carried out.
"""

from __future__ import annotations

import json
import pwd
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import attrs
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from orosync.interfaces import IJournal
from orosync.ops.ports import credentials
from orosync.ops.site import QuietSite, answer_later

LONGEST_REQUEST = 1 << 20
"""Bytes of arguments, a payload to be published among them."""

MOST_UNREAD = 1 << 20
"""Bytes that may wait for a command that does not read; lines beyond that are left out and counted."""

TIMEOUT = 30
"""Seconds for a request to arrive."""

LONGEST_DRAIN = 24 * 3600.0
"""Seconds."""

Arguments: TypeAlias = Mapping[str, Any]
Emit: TypeAlias = Callable[[dict[str, Any]], None]

_log = Logger()


class Rejected(Exception):
    """What a verb cannot do: words for the user of the command."""


def check_names(arguments: Arguments, *names: str) -> None:
    """Reject arguments that a verb does not have: a command of another version would be misunderstood."""
    unknown = sorted(set(arguments) - set(names))
    if unknown:
        raise Rejected(f"this router does not know {', '.join(unknown)}: it may be of another version")


def text_of(arguments: Arguments, name: str) -> str:
    """A text among the arguments, "" without. Rejects anything else."""
    value = arguments.get(name, "")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Rejected(f"{name} is no text")
    return value


def realm_of(arguments: Arguments, realms: Collection[str]) -> str:
    """One of ``realms`` among the arguments, "" without. Rejects anything else."""
    name = text_of(arguments, "realm")
    if name and name not in realms:
        raise Rejected(f"there is no realm {name}, but {', '.join(realms)}")
    return name


def number_of(arguments: Arguments, name: str, default: float = 0) -> float:
    """A number that is at least 0. Rejects anything else."""
    value = arguments.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise Rejected(f"{name} is no number from 0 on")
    return value


def sort_of(arguments: Arguments, sorts: Collection[str]) -> str:
    """How sessions are to be sorted, one of ``sorts``; the first by default."""
    sort = text_of(arguments, "sort") or next(iter(sorts))
    if sort not in sorts:
        raise Rejected(f"sessions cannot be sorted by {sort}, but by {', '.join(sorts)}")
    return sort


def drain_options(arguments: Arguments, default: float = 0) -> tuple[float, bool]:
    """Of ``drain``: the seconds for clients to be let go, and whether the process stays. Rejects anything else."""
    check_names(arguments, "within", "keep_running")
    seconds, stays = number_of(arguments, "within", default), arguments.get("keep_running", False)
    if seconds > LONGEST_DRAIN or not isinstance(stays, bool):
        raise Rejected(f"within is a number of seconds up to {LONGEST_DRAIN:g}, keep_running true or false")
    return seconds, stays


@attrs.frozen
class ControlPeer:
    """Who is at the other end. ``uid`` None: the kernel does not tell."""

    uid: int | None
    pid: int = 0

    @property
    def user(self) -> str:
        """For the log: the name, else the number."""
        if self.uid is None:
            return "unknown"
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


def known_users(uid_map: Path = Path("/proc/self/uid_map")) -> Callable[[int], bool]:
    """Whether a uid means a user here: in a user namespace (``PrivateUsers=``) the kernel tells of every user without
    a mapping that it is the same one, "nobody" (user_namespaces(7))."""
    try:
        rows = [tuple(map(int, row.split())) for row in uid_map.read_text().splitlines()]
    except (OSError, ValueError):
        return lambda uid: True
    return lambda uid: any(first <= uid < first + count for first, _, count in rows)


def peer_of(transport: Any, known: Callable[[int], bool]) -> ControlPeer:
    """Who is connected to a UNIX socket."""
    try:
        pid, uid = credentials(transport.socket)
    except (AttributeError, OSError):
        return ControlPeer(None)
    return ControlPeer(uid if known(uid) else None, pid)


@attrs.frozen
class Verb:
    """``run`` gives the answer, or a Deferred of it, and raises Rejected. ``acts``: it changes something, or shows what
    others were sent; only root and the process's own user may use it."""

    name: str
    run: Callable[[Arguments], Any]
    acts: bool = False


@attrs.frozen
class StreamingVerb:
    """A verb that goes on: ``start(arguments, emit, end)`` gives what stops it, or a Deferred of that, and raises
    Rejected. It calls ``emit`` for each line, and ``end`` when nothing more will come."""

    name: str
    start: Callable[[Arguments, Emit, Callable[[], None]], Any]
    acts: bool = False


class Control:
    """The verbs of a process, and who may use them: ``owner`` is the uid that may do everything beside root."""

    def __init__(self, journal: IJournal, owner: int, readers: Collection[int] = ()) -> None:
        self._journal = journal
        self._owner = owner
        self._readers = frozenset(readers)
        self.known = known_users()
        self.verbs: dict[str, Verb | StreamingVerb] = {}

    def add(self, *verbs: Verb | StreamingVerb) -> None:
        """Have these answered."""
        for verb in verbs:
            self.verbs[verb.name] = verb

    def may(self, peer: ControlPeer, verb: Verb | StreamingVerb) -> bool:
        """Whether ``peer`` may use ``verb``."""
        if peer.uid is None:
            return False
        return peer.uid in (0, self._owner) or (peer.uid in self._readers and not verb.acts)

    def audit(self, peer: ControlPeer, verb: str, outcome: str, arguments: Arguments) -> None:
        """A line for what is about to be done, or was refused."""
        said = " ".join(f"{key}={value}" for key, value in arguments.items() if key not in ("args", "kwargs"))
        self._journal.note("control", outcome, verb=verb, user=peer.user, pid=peer.pid, arguments=said)


class _VerbPage(Resource):
    isLeaf = True

    def __init__(self, control: Control, verb: Verb | StreamingVerb) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._control = control
        self._verb = verb

    def render_POST(self, request: Request) -> bytes | int:
        request.setHeader(b"content-type", b"application/json")
        peer = peer_of(request.transport, self._control.known)
        try:
            arguments = _arguments(request)
        except Rejected as rejection:
            return _error(request, 400, str(rejection))
        if not self._control.may(peer, self._verb):
            self._control.audit(peer, self._verb.name, "denied", arguments)
            return _error(request, 403, f"user {peer.user} may not use {self._verb.name} (see control_readers)")
        if self._verb.acts:
            self._control.audit(peer, self._verb.name, "act", arguments)
        if isinstance(self._verb, StreamingVerb):
            return self._watch(request, self._verb, arguments)
        answer: Deferred[Any] = maybeDeferred(self._verb.run, arguments)
        return answer_later(request, answer.addCallback(_encoded), partial(_failed, request))

    def _watch(self, request: Request, verb: StreamingVerb, arguments: Arguments) -> bytes | int:
        lines = _Lines(request)
        starting: Deferred[Callable[[], None]] = maybeDeferred(verb.start, arguments, lines.emit, lines.end)
        starting.addCallbacks(lines.begin, lambda failure: lines.refuse(_failed(request, failure)))
        return NOT_DONE_YET


class _Lines:
    """The answer of a verb that goes on."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._stop: Callable[[], None] | None = None
        self._over = False
        self._left_out = 0
        request.notifyFinish().addBoth(self._gone)

    def begin(self, stop: Callable[[], None]) -> None:
        """``stop`` is called when the command has gone. The head is sent now, so that it knows that it is served."""
        self._stop = stop
        if self._over:
            stop()
        else:
            self._request.write(b"")

    def refuse(self, body: bytes) -> None:
        """It cannot be done."""
        if not self._over:
            self._request.write(body)
            self._request.finish()

    def emit(self, line: dict[str, Any]) -> None:
        """Send a line, unless too much is waiting already."""
        if self._over:
            return
        transport = self._request.transport
        waiting = len(getattr(transport, "dataBuffer", b"")) + getattr(transport, "_tempDataLen", 0)
        if waiting > MOST_UNREAD:
            self._left_out += 1
            return
        if self._left_out:
            left_out, self._left_out = self._left_out, 0
            self._request.write(_encoded({"event": "left_out", "lines": left_out}))
        self._request.write(_encoded(line))

    def end(self) -> None:
        """Nothing more will come."""
        if not self._over:
            self._request.finish()

    def _gone(self, _: object) -> None:
        self._over = True
        if self._stop is not None:
            stop, self._stop = self._stop, None
            stop()


def _arguments(request: Request) -> Arguments:
    assert request.content is not None
    body = request.content.read(LONGEST_REQUEST + 1)
    if len(body) > LONGEST_REQUEST:
        raise Rejected(f"the arguments are longer than {LONGEST_REQUEST} bytes")
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        raise Rejected("the arguments are no JSON") from None
    if not isinstance(found, dict):
        raise Rejected("the arguments are no JSON object")
    return found


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"


def _error(request: Request, status: int, words: str) -> bytes:
    request.setResponseCode(status)
    return _encoded({"error": words})


def _failed(request: Request, failure: Failure) -> bytes:
    if failure.check(Rejected):
        return _error(request, 400, str(failure.value))
    _log.failure("a command on the control socket failed", failure=failure)
    return _error(request, 500, "failed inside the router, its log has the reason")


class _Verbs(Resource):
    def __init__(self, control: Control) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._control = control

    def getChild(self, path: bytes, request: Request) -> Resource:
        verb = self._control.verbs.get(path.decode(errors="replace"))
        return _NoVerb() if verb is None else _VerbPage(self._control, verb)


class _NoVerb(Resource):
    isLeaf = True

    def render(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"application/json")
        return _error(request, 404, "this router has no such command: it may be of another version")


def control_site(control: Control, clock: IReactorTime) -> QuietSite:
    """The site of the control socket."""
    return QuietSite(_Verbs(control), reactor=clock, timeout=TIMEOUT)
