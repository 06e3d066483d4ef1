"""Session stores: where the sessions of the back office are found by the value of its cookie.

    files.py       PHP's files
    pdo.py         the table oro_session
    redis.py       Redis
    exchange.py    Oro's POST /sync/ticket

They only read, take none of Oro's locks and prolong no session; ``exchange`` is the exception, since Oro itself answers
it. ``single_flight`` stands in front of every store, ``php.session`` reads the sessions.
"""
