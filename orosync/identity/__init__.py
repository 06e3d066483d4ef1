"""Authentication: tickets and cookies of Oro applications, the methods of WAMP (wampcra, scram, cryptosign, client
certificates), procedures that authenticate, anonymous clients; and the directories and session stores where users are
looked up.
"""
