"""Who a client is: tickets and cookies of Oro applications, the methods of WAMP (wampcra, scram, cryptosign, client
certificates), procedures that know, anonymous clients; and the directories and session stores where users are looked
up.

It must not know topics, rights to topics, or how bytes travel.
"""
