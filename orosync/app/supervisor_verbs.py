"""What a supervisor answers: each verb of the control socket asks the workers and merges their answers.

A verb that takes part in a realm (publish, call, subscribe) is done by one worker, which the others hear of as from any
node; what concerns each worker's own clients is done by all. An act is written to the log here, once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from operator import itemgetter
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from orosync.app.worker_process import WorkerProcess
from orosync.app.workers import Workers
from orosync.errors import ChannelLost, NotDone
from orosync.ops.answers import DrainAnswer, KickAnswer, ReloadAnswer, ReplaceAnswer, plain
from orosync.ops.control import (
    Arguments,
    Emit,
    Rejected,
    StreamingVerb,
    Verb,
    check_names,
    drain_options,
    number_of,
    sort_of,
    text_of,
)

SORTS: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "user": itemgetter("realm", "user", "session"),
    "since": itemgetter("since", "session"),
    "queued": lambda row: (-row["queued"], row["session"]),
    "address": itemgetter("address", "user", "session"),
}
"""As SessionVerbs sorts, by the fields of rows."""

ENDING = 0.5
"""Seconds for the last line of ``drain`` to arrive before the process ends."""

Line = dict[str, Any]


class SupervisorVerbs:
    """``status`` answers that verb; ``end`` ends the process."""

    _log = Logger()

    def __init__(
        self,
        workers: Workers,
        status: Callable[[], Deferred[dict[str, Any]]],
        clock: IReactorTime,
        end: Callable[[], None],
    ) -> None:
        self._workers = workers
        self._status = status
        self._clock = clock
        self._end = end
        self._draining = False

    @property
    def verbs(self) -> list[Verb | StreamingVerb]:
        return [
            Verb("status", lambda arguments: self._status()),
            Verb("sessions", _rejecting(self._sessions)),
            Verb("subscriptions", _rejecting(self._subscriptions)),
            Verb("publish", _rejecting(self._publish), acts=True),
            Verb("call", _rejecting(self._call), acts=True),
            Verb("maintenance-status", _rejecting(self._maintenance_status)),
            Verb("maintenance", _rejecting(self._maintenance), acts=True),
            Verb("reload", lambda arguments: Deferred.fromCoroutine(self.reload()).addCallback(plain), acts=True),
            StreamingVerb("replace", self._replace, acts=True),
            StreamingVerb("drain", self._drain, acts=True),
            StreamingVerb("kick", self._kick, acts=True),
            StreamingVerb("subscribe", self._subscribe, acts=True),
            StreamingVerb("trace", self._trace, acts=True),
        ]

    def _one(self) -> WorkerProcess:
        """A worker that takes part in realms for the command."""
        serving = self._workers.serving
        if not serving:
            raise Rejected("no worker serves at the moment")
        return serving[0]

    # -- of all clients

    async def _sessions(self, arguments: Arguments) -> list[Line]:
        sort, limit = sort_of(arguments, SORTS), int(number_of(arguments, "limit"))
        rows = [
            row for _, one in await self._workers.ask_all("worker.verb", "sessions", dict(arguments)) for row in one
        ]
        return sorted(rows, key=SORTS[sort])[: limit or None]

    async def _subscriptions(self, arguments: Arguments) -> list[Line]:
        limit = int(number_of(arguments, "limit"))
        wanted = {name: value for name, value in arguments.items() if name != "limit"}
        found: dict[tuple[str, str, str], Line] = {}
        for _, rows in await self._workers.ask_all("worker.verb", "subscriptions", wanted):
            for row in rows:
                key = row["realm"], row["topic"], row["match"]
                other = found.setdefault(key, row)
                if other is not row:
                    other["subscribers"] += row["subscribers"]
                    other["since"] = min(other["since"], row["since"])
        return sorted(found.values(), key=lambda row: (-row["subscribers"], row["topic"], row["realm"]))[
            : limit or None
        ]

    def _kick(self, arguments: Arguments, emit: Emit, end: Callable[[], None]) -> Deferred[Callable[[], None]]:
        def merged(lines: Collection[Line]) -> Line:
            return plain(KickAnswer(kicked=_sum(lines, "kicked"), of=_sum(lines, "of")))

        return self._watch(self._workers.serving, "kick", arguments, _Merged(merged, emit), end)

    # -- in a realm

    async def _publish(self, arguments: Arguments) -> Line:
        one = self._one()
        answer: Line = await one.channel.ask("worker.verb", "publish", dict(arguments))
        reached = await self._workers.ask_all(
            "worker.receivers", answer["realm"], answer["topic"], text_of(arguments, "user")
        )
        answer["sessions"] += sum(count for worker, count in reached if worker is not one)
        return answer

    async def _call(self, arguments: Arguments) -> Line:
        answer: Line = await self._one().channel.ask("worker.verb", "call", dict(arguments))
        return answer

    def _subscribe(self, arguments: Arguments, emit: Emit, end: Callable[[], None]) -> Deferred[Callable[[], None]]:
        return self._watch([self._one()], "subscribe", arguments, lambda _, line: emit(line), end)

    def _trace(self, arguments: Arguments, emit: Emit, end: Callable[[], None]) -> Deferred[Callable[[], None]]:
        return self._watch(self._workers.serving, "trace", arguments, lambda _, line: emit(line), end)

    async def _maintenance_status(self, arguments: Arguments) -> Line:
        answers = await self._workers.ask_all("worker.verb", "maintenance-status", dict(arguments))
        if not answers:
            raise Rejected("no worker serves at the moment")
        # A worker that was started later knows less.
        newest: Line = max((answer for _, answer in answers), key=itemgetter("time"))
        return {**newest, "sessions": _sum([answer for _, answer in answers], "sessions")}

    async def _maintenance(self, arguments: Arguments) -> Line:
        one = self._one()
        answer: Line = await one.channel.ask("worker.verb", "maintenance", dict(arguments))
        others = await self._workers.ask_all("worker.verb", "maintenance-status", {})
        return {**answer, "sessions": _sum([status for _, status in others], "sessions")}

    # -- of the workers

    async def reload(self) -> ReloadAnswer:
        """Have all workers read anew what they can; what they find is the same, and is told once."""
        serving = self._workers.serving
        found = await self._workers.ask_all("worker.reload", serving[0].node if serving else "")
        answers = [answer for _, answer in found]
        for worker, answer in found[1:]:
            for fault in set(answer["refused"]) - set(answers[0]["refused"]):
                self._log.error("{node}: {fault}", node=worker.node, fault=fault)
        return ReloadAnswer(
            changed=_union(answers, "changed"),
            refused=_union(answers, "refused"),
            restart=_union(answers, "restart"),
            warnings=_union(answers, "warnings"),
            sessions=_sum(answers, "sessions"),
        )

    def reload_in_background(self) -> None:
        """For a signal."""
        Deferred.fromCoroutine(self.reload()).addErrback(self._failed)

    def _replace(self, arguments: Arguments, emit: Emit, end: Callable[[], None]) -> Callable[[], None]:
        check_names(arguments)
        done = [0, 0]

        def told(replaced: int, of: int) -> None:
            done[:] = replaced, of
            emit(plain(ReplaceAnswer(replaced=replaced, of=of)))

        def refused(failure: Failure) -> None:
            failure.trap(NotDone)
            faults = failure.getErrorMessage().split("\n")
            for fault in faults:
                self._log.error("workers are not replaced: {fault}", fault=fault)
            emit(plain(ReplaceAnswer(replaced=done[0], of=done[1], refused=faults)))

        replacing = Deferred.fromCoroutine(self._workers.replace(told))
        replacing.addErrback(refused).addErrback(self._failed).addCallback(lambda _: end())
        return lambda: None  # it is done, watched or not

    def _drain(self, arguments: Arguments, emit: Emit, end: Callable[[], None]) -> Deferred[Callable[[], None]]:
        _, stays = drain_options(arguments)
        if self._draining:
            raise Rejected("this router is being drained already")

        def merged(lines: Collection[Line]) -> Line:
            return plain(DrainAnswer(left=_sum(lines, "left"), of=_sum(lines, "of"), ends=not stays))

        def over() -> None:
            end()
            self._log.info("drained, the process {what}", what="stays until it is stopped" if stays else "ends")
            if not stays:
                self._clock.callLater(ENDING, self._end)

        wanted = {**arguments, "keep_running": True}  # the workers end with this process
        watching = self._watch(self._workers.serving, "drain", wanted, _Merged(merged, emit), over)
        self._draining = True
        self._workers.let_go()
        return watching.addCallback(lambda _: lambda: None)  # it goes on, watched or not

    def _watch(
        self,
        workers: Collection[WorkerProcess],
        verb: str,
        arguments: Arguments,
        line: Callable[[WorkerProcess, Line], None],
        end: Callable[[], None],
    ) -> Deferred[Callable[[], None]]:
        """Have ``workers`` do a verb that goes on, until all are done."""
        left = set(workers)

        def over(worker: WorkerProcess) -> None:
            left.discard(worker)
            if not left:
                end()

        def watch(worker: WorkerProcess) -> tuple[Deferred[None], Callable[[], None]]:
            return worker.watch(verb, arguments, lambda found: line(worker, found), lambda: over(worker))

        if not left:
            raise Rejected("no worker serves at the moment")
        watches = [watch(worker) for worker in workers]

        def stop() -> None:
            for _, stop_one in watches:
                stop_one()

        async def start() -> Callable[[], None]:
            for started, _ in watches:
                try:
                    await started
                except ChannelLost:
                    continue  # its end is told by ``over``
                except NotDone as error:
                    stop()
                    raise Rejected(str(error)) from None
            return stop

        return Deferred.fromCoroutine(start())

    def _failed(self, failure: Failure) -> None:
        self._log.failure("the workers could not be asked", failure=failure)


class _Merged:
    """Emits for each line of a worker what comes of the last lines of all."""

    def __init__(self, merge: Callable[[Collection[Line]], Line], emit: Emit) -> None:
        self._merge = merge
        self._emit = emit
        self._last: dict[WorkerProcess, Line] = {}

    def __call__(self, worker: WorkerProcess, line: Line) -> None:
        self._last[worker] = line
        self._emit(self._merge(self._last.values()))


def _rejecting(answer: Callable[[Arguments], Any]) -> Callable[[Arguments], Deferred[Any]]:
    """``answer``, a coroutine function, as a verb wants it."""

    def rejected(failure: Failure) -> None:
        failure.trap(NotDone, ChannelLost)
        raise Rejected(failure.getErrorMessage())

    return lambda arguments: Deferred.fromCoroutine(answer(arguments)).addErrback(rejected)


def _sum(lines: Collection[Line], name: str) -> int:
    return sum(line[name] for line in lines)


def _union(answers: Collection[Line], name: str) -> list[str]:
    return list(dict.fromkeys(one for answer in answers for one in answer[name]))
