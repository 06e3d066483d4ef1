"""Realms: their members, what is published and called there, and the deliveries that result.

    realm.py          a realm: its members, its broker, its dealer
    broker.py         publish and subscribe: subscriptions.py, filters.py, retention.py, history.py
    dealer.py         calls: registrations.py, pending.py, calls.py
    meta.py           WAMP's own procedures: meta_call.py, queries.py; its own topics: meta_events.py
    testaments.py     publications that sessions leave for when they end
    patterns.py, deliveries.py   what all of them use

Values in, deliveries out: nothing here sends a message or decides who may do what.
"""
