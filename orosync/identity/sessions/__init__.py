"""Session stores: where the back office's sessions are found by the value of its cookie.

    ids.py           what may be a session's id at all
    reading.py       from a session's bytes to its user
    store.py         what stands in front of every store: one look-up at a time, back-off
    files.py         PHP's files           threads.py   a few threads that may be left alone
    pdo.py           the table oro_session
    redis.py         Redis                 redis_dsn.py, redis_link.py, redis_protocol.py
    exchange.py      Oro's POST /sync/ticket
    making.py        each of them made from its section

They only ever read, take none of Oro's locks and prolong no session (``exchange`` does both: Oro itself answers it).
They must not know WAMP, handshakes or what somebody may do.
"""
