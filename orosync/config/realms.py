"""A realm and its roles as frozen values. Like ``sections``, beside which this stands; it must not know how the values
are used.
"""

from __future__ import annotations

from attrs import frozen

from orosync.config import rules, uplinks, values
from orosync.config.history import HistoryLine
from orosync.config.history import history as histories
from orosync.config.keys import setting


@frozen(kw_only=True)
class RealmSection:
    """[realm:NAME]: a space of topics and procedures of its own."""

    name: str
    authenticators: tuple[str, ...] = setting(
        values.names,
        "Who may come in: names of [authenticator:...] sections in the order in which they are asked.",
        unset=(),
        otherwise="required; may be missing where only an authorizer is attached ([attach])",
        example="ticket",
    )
    authorizers: tuple[str, ...] = setting(
        values.names,
        "What they may do: `topics:NAME`, `roles` (the permissions of [role:...] sections) and names of "
        "[authorizer:...] sections. The first that has an opinion decides; where none has, the answer is no.",
        unset=(),
        otherwise="required; may be missing where only an authenticator is attached ([attach])",
        example="topics:oro",
    )
    disclose: bool = setting(
        values.boolean,
        "Clients may ask to be named to those whom they call or publish to (`disclose_me`), and callees to be told who "
        "calls (`disclose_caller`). What permissions disclose is disclosed all the same.",
        default="yes",
    )
    request_ids: str = setting(
        values.choice("any", "sequential"),
        "`sequential`: the request ids of a client have to be 1, 2, 3 ..., as WAMP has it; another one ends its "
        "session. Some clients (Thruway) draw them at random.",
        default="any",
    )
    call_queue: int = setting(
        values.count,
        "How many calls may wait for one procedure whose callees all have as many as they take (`concurrency`).",
        default="100",
    )
    uris: str = setting(values.choice("loose", "strict"), "WAMP's loose or strict rule for URIs (v2).", default="loose")
    uplink: str = uplinks.address()
    forwarders: tuple[str, ...] = uplinks.forwarders()
    retained_events: int = setting(
        values.count,
        "How many events are retained for those who subscribe later; over it the oldest goes ([meta.md](meta.md)).",
        default="1000",
    )
    retained_bytes: int = setting(values.size, "How many bytes of arguments all of them may have.", default="512KiB")
    history: tuple[HistoryLine, ...] = setting(
        histories,
        "What is kept for those who ask later what was published ([meta.md](meta.md)), one pattern a line: "
        "`exact|prefix|wildcard URI [events=1000] [bytes=1MiB] [age=24h]`; without `age` of any age.",
        unset=(),
        example="prefix com.example. events=1000 age=24h",
        multiline=True,
    )


@frozen(kw_only=True)
class RoleSection:
    """[role:REALM/NAME] or, for every realm, [role:NAME]: the permissions that `roles` in a realm's authorizers reads,
    and what else there is to be said of a role."""

    name: str
    realm: str | None
    permissions: tuple[rules.Permission, ...] = setting(
        rules.permissions,
        "One permission a line: `exact|prefix|wildcard URI ACTIONS [disclose caller|publisher|caller,publisher]`, "
        "`any ACTIONS [disclose ...]` for every URI, or `deny exact|prefix|wildcard URI`. What a line does not allow "
        "it denies; the most specific line speaks. `disclose` alone means both.",
        unset=(),
        otherwise="required, unless the section says something else of the role",
        example="prefix com.example. call,subscribe",
        multiline=True,
    )
    trustlevel: int | None = setting(
        values.natural,
        "What others are told of the trust in whoever has this role, publishing or calling: a number from 0 on.",
        otherwise="nothing is told",
        example="3",
    )
    unlimited: bool = setting(
        values.boolean,
        "For busy services: who has this role may send as many messages as it likes, whatever `message_rate` says.",
        default="no",
    )

    @property
    def title(self) -> str:
        """Of the section."""
        return f"role:{self.name}" if self.realm is None else f"role:{self.realm}/{self.name}"
