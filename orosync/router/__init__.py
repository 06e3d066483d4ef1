"""Realms: who is in one, what is published and called there, and the deliveries that come of it.

    realm.py          a realm: its members, its broker, its dealer
    broker.py         publish and subscribe: subscriptions.py, filters.py, retention.py, history.py, recording.py
    dealer.py         calls: registrations.py, asked.py, calls.py, invocations.py, answers.py, capacity.py
    meta_call.py      WAMP's own procedures and topics: meta_sessions.py, meta_subscriptions.py, meta_registrations.py,
                      meta_events.py, queries.py
    testaments.py     what sessions want said when they are gone
    patterns.py, options.py, delivery.py   what all of them use

Values in, deliveries out. It must not know transports, serializers, Oro, who somebody is or what he may do.
"""
