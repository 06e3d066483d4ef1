"""A realm in service made from its section of the configuration. It must not know how a section is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IReactorTime

from orosync.authz.chain import Chain
from orosync.clocks import Now
from orosync.config.realms import RealmSection
from orosync.interfaces import IAuthenticator, IJournal
from orosync.router.history import Kept
from orosync.router.realm import Realm
from orosync.session.hosted import HostedRealm
from orosync.session.post import PostOffice


def hosted_realm(
    section: RealmSection,
    chain: Chain,
    authenticators: Sequence[IAuthenticator],
    journal: IJournal,
    office: PostOffice,
    clock: IReactorTime,
    now: Now,
) -> HostedRealm:
    """The realm with everything around it. ``now`` tells the time of day, in seconds since 1970."""
    return HostedRealm(
        made_realm(section, now, clock.seconds),
        chain,
        authenticators,
        journal,
        office,
        clock,
        strict_uris=section.uris == "strict",
        disclosing=section.disclose,
        sequential=section.request_ids == "sequential",
        forwarders=section.forwarders,
    )


def made_realm(section: RealmSection, now: Now, seconds: Callable[[], float] = float) -> Realm:
    """The realm; ``now`` tells the time of day, in seconds since 1970, ``seconds`` measures spans."""
    return Realm(
        section.name,
        now=now,
        seconds=seconds,
        queue_limit=section.call_queue,
        retained_events=section.retained_events,
        retained_bytes=section.retained_bytes,
        history=[Kept(line.match, line.uri, line.events, line.bytes, line.age) for line in section.history],
    )
