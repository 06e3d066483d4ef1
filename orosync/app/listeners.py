"""From a [listen:NAME] section to what the transport needs: settings, policies, and the certificate and key for TLS.

The demonstration's certificate is made here when there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource

from orosync.clocks import Now
from orosync.config.listen import ListenSection
from orosync.errors import ConfigError
from orosync.model import ConnectionPolicy
from orosync.transport.message_rates import Allowance
from orosync.transport.settings import SCHEMES, BackEndSign, ListenerSettings, OtherWorkers
from orosync.transport.tls import ReloadingCredentials, self_signed


def credentials(
    section: ListenSection, state: Path, now: Now, clock: IReactorTime | None = None
) -> ReloadingCredentials:
    """The certificate and key of a listener; ``state`` is the directory for a self-made certificate, ``clock`` that of
    the keys of TLS sessions.

    Raises ConfigError when files cannot be used."""
    certificate, key = section.certificate, section.key
    if certificate is None or key is None:
        certificate, key = own_certificate(state, now)
    try:
        return ReloadingCredentials(certificate, key, section.client_ca, section.tls_resumption is not False, clock)
    except ConfigError as error:
        raise ConfigError(
            [f"[listen:{section.name}] {fault}, correct the file or name another" for fault in error.faults]
        ) from None


def check(sections: Iterable[ListenSection], state: Path, now: Now) -> None:
    """Read the files of all that have some, as at a start. Raises ConfigError with a line for each listener at fault.
    Nothing is made: the demonstration's certificate comes with its start."""
    faults: list[str] = []
    for one in sections:
        if one.certificate is not None and one.key is not None:
            try:
                credentials(one, state, now)
            except ConfigError as error:
                faults.extend(error.faults)
    if faults:
        raise ConfigError(faults)


def own_certificate(state: Path, now: Now) -> tuple[Path, Path]:
    """The demonstration's certificate and key, made when there are none or they are about to run out."""
    certificate, key = state / "certificate.pem", state / "key.pem"
    if not (certificate.exists() and key.exists()) or now() - certificate.stat().st_mtime > 300 * 86400:
        try:
            state.mkdir(parents=True, exist_ok=True, mode=0o700)
            self_signed(certificate, key, now=now)
        except OSError as error:
            raise ConfigError(
                [f"[router] state: {error.filename}: {error.strerror}, name a directory to write in"]
            ) from None
    return certificate, key


def settings_of(
    section: ListenSection,
    web: IResource | None,
    back_end: BackEndSign | None = None,
    healthy: Callable[[], bool] = lambda: True,
    workers: OtherWorkers | None = None,
) -> ListenerSettings:
    """The settings of a listener; ``web`` answers its plain HTTP requests, ``back_end`` knows the back end's, and
    ``healthy`` answers health checks; ``workers`` are the others that serve it."""
    return ListenerSettings(
        name=section.name,
        path=section.path,
        origins=section.origins,
        origin_required=section.origin == "required",
        trusted_proxies=section.trusted_proxies,
        proxy_protocol=section.proxy_protocol,
        header_limit=section.header_limit,
        handshake_timeout=section.handshake_timeout,
        max_connections=section.max_connections,
        max_unauthenticated=section.max_unauthenticated,
        unauthenticated_per_address=section.unauthenticated_per_address,
        connection_rate=section.connection_rate,
        connection_burst=section.connection_burst,
        backend_places=section.backend_places,
        back_end=back_end,
        send_buffer_limit=section.send_buffer_limit,
        send_timeout=section.send_timeout,
        frame_timeout=section.frame_timeout,
        ping_interval=section.ping_interval,
        ping_timeout=section.ping_timeout,
        tls=section.tls,
        health=section.health,
        healthy=healthy,
        longpoll=section.longpoll,
        workers=workers,
        body_limit=section.message_limit,
        deflate=section.compression == "deflate",
        web=web,
    )


def client_policy(section: ListenSection) -> ConnectionPolicy:
    """The policy for clients that are not the back end, or not known to be.

    A back end on RawSocket says only in HELLO what it is, when its longest message has long been agreed upon.
    """
    alone = section.publisher and section.transport == "rawsocket"
    return ConnectionPolicy(message_limit=section.publisher_message_limit if alone else section.message_limit)


def publisher_policy(section: ListenSection) -> ConnectionPolicy:
    """The policy for a back end that was identified in the handshake."""
    return ConnectionPolicy(message_limit=section.publisher_message_limit, skip_oversized=True, pinged=False)


def allowance(section: ListenSection) -> Allowance:
    """How many messages a client that has joined may send unasked."""
    return Allowance.of(section.message_rate, section.message_burst, section.message_rate_cut)


def serves_http(section: ListenSection) -> bool:
    """Whether a browser can ask for a page here."""
    return "ws" in SCHEMES[section.transport]
