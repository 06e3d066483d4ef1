"""Oro's ways to write where Redis is."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.config.redis_dsn import RedisDsn, Server, parse

LOCAL = Server("127.0.0.1", 6379)


def dsn(server: Server = LOCAL, *more: Server, **changes: object) -> RedisDsn:
    """What a text means, unless it says otherwise."""
    said = {"user": "", "password": "", "database": 0, "tls": False, "sentinel": "", **changes}
    return RedisDsn((server, *more), **said)  # type: ignore[arg-type]


class Parsing(SynchronousTestCase):
    """Texts and what they mean."""

    def test_forms(self) -> None:
        """The forms of Oro's documentation and of Symfony's, passwords of every kind among them."""
        host = Server("redis.example.com", 6379)
        watch = (Server("127.0.0.1", 26379), Server("s2", 26380))
        table = [
            ("redis://127.0.0.1", dsn()),
            ("redis://127.0.0.1:6379/0", dsn()),
            ("redis://127.0.0.1:6379/5", dsn(database=5)),
            ("redis://127.0.0.1:6379/", dsn()),
            ("redis://127.0.0.1:6379?dbindex=5", dsn(database=5)),
            ("redis://127.0.0.1/5?dbindex=6", dsn(database=5)),
            ("REDIS://127.0.0.1", dsn()),
            ("redis://password@127.0.0.1:6379", dsn(password="password")),
            ("redis://:password@127.0.0.1", dsn(password="password")),
            ("redis://default:password@127.0.0.1", dsn(password="password")),
            ("redis://oro:password@127.0.0.1/1", dsn(user="oro", password="password", database=1)),
            ("redis://o%40ro:p%40ss%3A%2F%3F%25@127.0.0.1", dsn(user="o@ro", password="p@ss:/?%")),
            ("redis://oro:pa:ss/w?rd@127.0.0.1", dsn(user="oro", password="pa:ss/w?rd")),
            ("redis://a+b@127.0.0.1", dsn(password="a+b")),
            ("redis:?host[127.0.0.1]&auth=pass%2Bword", dsn(password="pass+word")),
            ("rediss://redis.example.com", dsn(host, tls=True)),
            ("valkeys://redis.example.com", dsn(host, tls=True)),
            ("valkey://redis.example.com", dsn(host)),
            ("redis://[::1]:6380/2", dsn(Server("::1", 6380), database=2)),
            ("redis://[::1]", dsn(Server("::1", 6379))),
            ("redis:///run/redis.sock", dsn(Server("/run/redis.sock", 0))),
            ("redis:///run/redis.sock/3", dsn(Server("/run/redis.sock", 0), database=3)),
            ("redis://pw@/run/redis.sock", dsn(Server("/run/redis.sock", 0), password="pw")),
            ("redis:?host[/run/redis.sock:]&dbindex=2", dsn(Server("/run/redis.sock", 0), database=2)),
            ("redis://127.0.0.1:26379?redis_sentinel=sessions_mon", dsn(watch[0], sentinel="sessions_mon")),
            ("redis://127.0.0.1?sentinel_master=mon", dsn(watch[0], sentinel="mon")),
            (
                "redis://pw@127.0.0.1:26379?dbindex=1&redis_sentinel=lru_cache_mon&host[s2:26380]",
                dsn(*watch, password="pw", database=1, sentinel="lru_cache_mon"),
            ),
            ("redis:?host[127.0.0.1]&host[s2:26380]&redis_sentinel=m", dsn(*watch, sentinel="m")),
            ("redis://127.0.0.1?timeout=5&persistent=1&ssl[verify_peer]=0&prefix=x&redis_cluster=0", dsn()),
        ]
        for text, meant in table:
            self.assertEqual(parse(text), meant, text)

    def test_faults(self) -> None:
        """What cannot be meant is told without the text, which may hold a password."""
        table = [
            ("", "is not a DSN of Redis"),
            ("top-secret", "is not a DSN of Redis"),
            ("tcp://127.0.0.1:6379/top-secret", "is not a DSN of Redis"),
            ("redis://top@secret@127.0.0.1", "in a password write @ as %40"),
            ("redis://user:@127.0.0.1", "names a user without a password"),
            ("redis://", "names no host"),
            ("redis:?dbindex=1", "names no host"),
            ("redis://127.0.0.1:0", "invalid host or port"),
            ("redis://127.0.0.1:99999", "invalid host or port"),
            ("redis://127.0.0.1:port", "invalid host or port"),
            ("redis://top secret", "invalid host or port"),
            ("redis://127.0.0.1/top-secret", "has a path after its host"),
            ("redis://127.0.0.1?dbindex=top-secret", "names a database that is no number"),
            ("redis://127.0.0.1:6379?host[127.0.0.1:6380]&cluster=predis", "is that of a Redis Cluster"),
            ("redis:?host[a]&host[b]&redis_cluster=1", "is that of a Redis Cluster"),
            ("redis:?host[a]&host[b]", "names several servers"),
            ("rediss:///run/redis.sock", "asks for TLS on a UNIX socket"),
            ("redis://127.0.0.1#top-secret", "is not a DSN of Redis"),
        ]
        for text, words in table:
            error = self.assertRaises(ValueError, parse, text)
            self.assertIn(words, str(error), text)
            self.assertNotIn("secret", str(error))

    def test_password_is_not_shown(self) -> None:
        """A DSN in a log or a traceback does not give it away."""
        self.assertNotIn("top-secret", repr(parse("redis://oro:top-secret@127.0.0.1")))
