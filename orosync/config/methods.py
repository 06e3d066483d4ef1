"""The sections of WAMP's own authentication methods as frozen values, key by key: reader, default, meaning.

Like ``sections``, of which they are a part. This file must not know how the values are used.
"""

# ruff: noqa: RUF009 (setting() and dotted() return attrs fields)

from __future__ import annotations

from attrs import frozen

from orosync.config import accounts, secrets, values
from orosync.config.keys import dotted, setting

_DECOYS = "What the salts of {} are made from, by reference; needed where they have to be the same after every start."


@frozen(kw_only=True)
class WampCraSection:
    """[authenticator:NAME] with `use = wampcra`: a challenge is signed with a secret, which does not travel."""

    name: str
    use: str = setting(values.plain, "`wampcra`", required=True, example="wampcra")
    user: tuple[accounts.AccountLine, ...] = dotted(
        accounts.with_secret,
        "A user: `ROLE REFERENCE`. The reference leads to the secret, or to what was derived from one: "
        "`pbkdf2$ITERATIONS:SALT$KEY`, the key in base64.",
        example="user.anna = user file:/etc/orosync/anna.secret",
    )
    decoy_secret: secrets.Secret | None = setting(
        secrets.secret,
        _DECOYS.format("unknown users"),
        otherwise="a new one at each start",
        example="file:/etc/orosync/decoys",
    )


@frozen(kw_only=True)
class ScramSection:
    """[authenticator:NAME] with `use = scram`: client and router prove to each other that they know a password."""

    name: str
    use: str = setting(values.plain, "`scram`", required=True, example="scram")
    user: tuple[accounts.AccountLine, ...] = dotted(
        accounts.with_secret,
        "A user: `ROLE REFERENCE`. The reference leads to the password, or to what was derived from one: "
        "`KDF$ITERATIONS[,MEMORY]:SALT$STORED_KEY:SERVER_KEY`, as PostgreSQL has it.",
        example="user.anna = user file:/etc/orosync/anna.scram",
    )
    kdf: str = setting(
        values.choice("argon2id13", "pbkdf2"),
        "How plain passwords are derived, here and by clients.",
        default="argon2id13",
    )
    iterations: int | None = setting(
        values.count, "How often, for plain passwords.", otherwise="2 for argon2id13, 600000 for pbkdf2"
    )
    memory: int | None = setting(values.size, "Memory that argon2id13 takes, for plain passwords.", otherwise="19MiB")
    decoy_secret: secrets.Secret | None = setting(
        secrets.secret,
        _DECOYS.format("plain passwords and of unknown users"),
        otherwise="a new one at each start",
        example="file:/etc/orosync/decoys",
    )


@frozen(kw_only=True)
class CryptosignSection:
    """[authenticator:NAME] with `use = cryptosign`: a challenge is signed with an Ed25519 key."""

    name: str
    use: str = setting(values.plain, "`cryptosign`", required=True, example="cryptosign")
    user: tuple[accounts.AccountLine, ...] = dotted(
        accounts.with_keys,
        "A user: `ROLE KEY ...`, public keys as 64 hex digits.",
        example="user.robot = backend 545efb0a2192db8d43f118e9bf9aee081466e1ef36c708b96ee6f62dddad9122",
    )
    channel_binding: str = setting(
        values.choice("optional", "required"),
        "`required`: clients have to bind their signature to their TLS connection (which no browser can).",
        default="optional",
    )
    key: secrets.Secret | None = setting(
        secrets.secret,
        "The router's own key by reference, the 64 hex digits of its seed: for clients that want to know who it is.",
        example="file:/etc/orosync/router.key",
    )


@frozen(kw_only=True)
class CertificateSection:
    """[authenticator:NAME] with `use = certificate`: a TLS client certificate, on listeners with `client_ca`."""

    name: str
    use: str = setting(values.plain, "`certificate`", required=True, example="certificate")
    user: tuple[accounts.AccountLine, ...] = dotted(
        accounts.with_certificates,
        "A user: `ROLE sha256:FINGERPRINT ... cn:NAME ...`, certificates by their fingerprint (`openssl x509 "
        "-fingerprint -sha256`) or by the common name of their subject.",
        example="user.desk = user cn:desk.example.com",
    )


Method = WampCraSection | ScramSection | CryptosignSection | CertificateSection
METHODS: dict[str, type[WampCraSection] | type[ScramSection] | type[CryptosignSection] | type[CertificateSection]] = {
    "wampcra": WampCraSection,
    "scram": ScramSection,
    "cryptosign": CryptosignSection,
    "certificate": CertificateSection,
}
