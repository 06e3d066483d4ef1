"""Oro's database DSNs, in every form that Doctrine takes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.config.database_dsn import KEPT, MYSQL, POSTGRESQL, Dsn, parse

PHP = Path(__file__).resolve().parents[1] / "php" / "database_dsn.php"


def dsn(engine: str, host: str = "db", port: int | None = None, **changes: object) -> Dsn:
    """What is expected: oro, with the password "secret", on the database oro."""
    parts = {"user": "oro", "password": "secret", "socket": "", "database": "oro", "options": {}, **changes}
    return Dsn(engine=engine, host=host, port=port, **parts)  # type: ignore[arg-type]


GOOD = {
    # As Oro's documentation and .env files have them.
    "postgres://oro:secret@db:5432/oro?sslmode=disable&charset=utf8&serverVersion=17.2": dsn(
        POSTGRESQL, port=5432, options={"sslmode": "disable"}
    ),
    "postgresql://oro:secret@db/oro": dsn(POSTGRESQL),
    "pgsql://oro:secret@db/oro": dsn(POSTGRESQL),
    "pdo-pgsql://oro:secret@db/oro": dsn(POSTGRESQL),
    "pdo_pgsql://oro:secret@db/oro": dsn(POSTGRESQL),
    "POSTGRES://oro:secret@db/oro": dsn(POSTGRESQL),
    "mysql://oro:secret@db:3306/oro?charset=utf8mb4&serverVersion=8.0&driver=pdo_mysql": dsn(MYSQL, port=3306),
    "pdo_mysql://oro:secret@db/oro": dsn(MYSQL),
    "mysqli://oro:secret@db/oro?defaultTableOptions[charset]=utf8mb4&persistent=1": dsn(MYSQL),
    # Passwords: raw, encoded, empty, none.
    "postgres://oro:p@ss@w:rd@db/oro": dsn(POSTGRESQL, password="p@ss@w:rd"),
    "postgres://oro:p%40ss%2Fw%3Fr%23d%25@db/oro": dsn(POSTGRESQL, password="p@ss/w?r#d%"),
    "mysql://oro:a+b c&d=e;f\"g'h\\i@db/oro": dsn(MYSQL, password="a+b c&d=e;f\"g'h\\i"),
    "mysql://oro:100%@db/oro": dsn(MYSQL, password="100%"),
    "mysql://oro:p%zz%4@db/oro": dsn(MYSQL, password="p%zz%4"),
    "mysql://oro:p%C3%A4ss%E2%82%AC@db/oro": dsn(MYSQL, password="päss€"),
    "mysql://oro:päss€@db/oro": dsn(MYSQL, password="päss€"),
    "mysql://oro:@db/oro": dsn(MYSQL, password=""),
    "mysql://oro@db/oro": dsn(MYSQL, password=""),
    "mysql://or%40o:secret@db/or%2Fo": dsn(MYSQL, user="or@o", database="or/o"),
    # Hosts, ports, sockets.
    "postgres://oro:secret@[2001:db8::1]:5433/oro": dsn(POSTGRESQL, "2001:db8::1", 5433),
    "postgres://oro:secret@[::1]/oro": dsn(POSTGRESQL, "::1"),
    "mysql://oro:secret@db:/oro": dsn(MYSQL),
    "postgres://oro:secret@%2Fvar%2Frun%2Fpostgresql/oro": dsn(POSTGRESQL, "", socket="/var/run/postgresql"),
    "postgres://oro:secret@localhost/oro?host=/var/run/postgresql": dsn(POSTGRESQL, "", socket="/var/run/postgresql"),
    "postgres://oro:secret@/oro?host=/run/pg&port=5433": dsn(POSTGRESQL, "", 5433, socket="/run/pg"),
    "postgresql:///oro?host=/run/pg&user=oro&password=secret": dsn(POSTGRESQL, "", socket="/run/pg"),
    "mysql://oro:secret@localhost/oro?unix_socket=/run/mysqld/mysqld.sock": dsn(
        MYSQL, "localhost", socket="/run/mysqld/mysqld.sock"
    ),
    # The query goes before what stands in front of it.
    "mysql://a:b@c:1/d?host=db&port=3307&user=oro&password=s%2Fe+t&dbname=oro": dsn(
        MYSQL, "db", 3307, password="s/e t"
    ),
    # TLS stays; what only Doctrine knows goes.
    "postgres://oro:secret@db/oro?sslmode=verify-full&sslrootcert=/etc/ssl/db.pem&default_dbname=x": dsn(
        POSTGRESQL, options={"sslmode": "verify-full", "sslrootcert": "/etc/ssl/db.pem"}
    ),
    "mysql://oro:secret@db/oro?driverOptions[1009]=/etc/ssl/db.pem&driverOptions[1002]=SET+x": dsn(
        MYSQL, options={"sslrootcert": "/etc/ssl/db.pem"}
    ),
}

UNREADABLE = "has a password that is not text in UTF-8 or holds control characters, correct it"
NO_KEY = "Doctrine knows, remove it"
SHAPE = "write it like postgres://user:password@host:5432/database"
BAD = {
    "": f"is not a DSN, {SHAPE}",
    "secret": f"is not a DSN, {SHAPE}",
    '"postgres://oro:secret@db/oro"': f"is not a DSN, {SHAPE}",
    "mysql:oro:secret@db/oro": f"is not a DSN, {SHAPE}",
    "postgres://oro:sec#ret@db/oro": "is not a DSN, write a # as %23",
    "postgres://oro:secret@db/oro#secret": "is not a DSN, write a # as %23",
    "sqlite:///secret.db": "names no database that orosync can ask, it begins with postgres:// or mysql://",
    "redis://secret@db/0": "names no database that orosync can ask, it begins with postgres:// or mysql://",
    "postgres://oro:secret@/oro": f"names no host, {SHAPE}",
    "postgres://oro:secret@db": f"names no database, {SHAPE}",
    "postgres://oro:secret@db/": f"names no database, {SHAPE}",
    "postgres://db/oro": f"names no user, {SHAPE}",
    "postgres://:secret@db/oro": f"names no user, {SHAPE}",
    "postgres://oro:sec/ret@db/oro": "has an @ behind its first /: in a password write / as %2F and ? as %3F",
    "postgres://oro:12/secret@db/oro": "has an @ behind its first /: in a password write / as %2F and ? as %3F",
    "postgres://oro:12?secret@db/oro": "has an @ behind its first ?: in a password write ? as %3F",
    "postgres://oro:1?secret&x=y@db/oro": "has an @ behind its first ?: in a password write ? as %3F",
    "postgres://oro:sec?ret@db/oro": "has an @ behind its first ?: in a password write ? as %3F",
    "mysql://oro:x?@db/oro": "has an @ behind its first ?: in a password write ? as %3F",
    "postgres://oro:secret@db:99999/oro": "has a port that is no number from 1 to 65535; in a password write / as %2F, "
    "? as %3F",
    "postgres://oro:secret@db:x/oro": "has a port that is no number from 1 to 65535; in a password write / as %2F, "
    "? as %3F",
    "postgres://oro:secret@a:1,b:2/oro": "names more than one port; an IPv6 address stands in [brackets], an @ before "
    "the host",
    "postgres://oro:secret@2001:db8::1/oro": "names more than one port; an IPv6 address stands in [brackets], an @ "
    "before the host",
    "postgres://oro:secret%FF@db/oro": "has a password that is not text in UTF-8, correct it",
    "postgres://oro:secret%00@db/oro": UNREADABLE,
    "postgres://oro:x@db/oro?password=secret%FF": UNREADABLE,
    "postgres://oro:secret@db/oro?sslmod=require": f"has a key sslmod that neither postgresql nor {NO_KEY}",
    "mysql://oro:secret@db/oro?channel_binding=require": f"has a key channel_binding that neither mysql nor {NO_KEY}",
    "mysql://oro:x@db/oro?Secret-secret=1": f"has a key that neither mysql nor {NO_KEY}",
}


class Forms(SynchronousTestCase):
    """What is read, and what is refused."""

    def test_good(self) -> None:
        """Oro's DSN is taken as it stands, whatever its password."""
        for text, expected in GOOD.items():
            self.assertEqual(parse(text), expected, text)

    def test_bad(self) -> None:
        """A DSN that cannot be right is refused with what to do, and without the text itself."""
        for text, words in BAD.items():
            found = str(self.assertRaises(ValueError, parse, text))
            self.assertEqual(found, words, text)
            self.assertNotIn("secret", found.lower(), text)

    def test_never_shown(self) -> None:
        """repr tells where the database is and nothing that opens it."""
        shown = repr(parse("postgres://oro:top-secret@db/oro?sslpassword=top-secret"))
        self.assertIn("host='db'", shown)
        self.assertNotIn("top-secret", shown)


class LikePhp(SynchronousTestCase):
    """The real parse_url is asked, as Doctrine asks it."""

    def asked(self, texts: list[str]) -> list[dict[str, str] | None]:
        done = subprocess.run(
            ["php", PHP], input=json.dumps(texts).encode(), capture_output=True, check=True, timeout=30
        )
        found: list[dict[str, str] | None] = json.loads(done.stdout)
        return found

    def test_every_form(self) -> None:
        """What PHP reads we read equally; what it calls malformed we refuse, but for sockets without a host."""
        texts = [text for text in (*GOOD, *BAD) if "_" not in text.partition(":")[0]]  # no scheme for PHP: pdo_mysql
        for text, expected in zip(texts, self.asked(texts), strict=True):
            try:
                found = parse(text)
            except ValueError:
                continue
            if expected is None:
                self.assertTrue(found.socket, text)
                continue
            self.assertEqual(
                (found.user, found.password, found.database, str(found.port or ""), found.host or found.socket),
                (
                    expected["user"],
                    expected["password"],
                    expected["dbname"],
                    expected["port"],
                    expected["host"].strip("[]"),
                ),
                text,
            )
            for key in KEPT[found.engine] & set(expected):
                self.assertEqual(found.options[key], expected[key], text)

    def test_any_password(self) -> None:
        """Any text at all survives as a password if it is percent-encoded, and raw if it needs no encoding."""
        alphabet = [chr(code) for code in range(0x20, 0x7F)] + ["é", "€", "😀"]
        passwords = [*alphabet, *(f"a{one}b%{one}" for one in alphabet), "".join(alphabet)]
        encoded = [f"mysql://oro:{quote(one, safe='')}@db/oro" for one in passwords]
        raw = [f"mysql://oro:{one}@db/oro" for one in passwords if not set(one) & set("/?#")]
        for text, expected in zip(encoded + raw, self.asked(encoded + raw), strict=True):
            self.assertIsNotNone(expected, text)
            self.assertEqual(parse(text).password, (expected or {})["password"], text)


class Anything(SynchronousTestCase):
    """Texts that nobody thought of."""

    @settings(deadline=None)
    @given(st.one_of(st.text(max_size=60), st.text("mysql:/@?#[]%=&.0aé\ud800", max_size=40)))
    def test_refused_or_read(self, text: str) -> None:
        """Whatever stands there, the answer is a DSN or one line of words."""
        for dsn_text in (text, f"postgres://{text}", f"mysql://u:{text}@h/d", f"mysql://u:p@h/d?{text}"):
            try:
                found = parse(dsn_text)
            except ValueError as error:
                self.assertNotIn("\n", str(error))
            else:
                self.assertIn(found.engine, (POSTGRESQL, MYSQL))
