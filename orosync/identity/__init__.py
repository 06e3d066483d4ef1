"""Who a client is: tickets of Oro applications, anonymous clients, and the directories where users are looked up.

It must not know topics, rights to topics, or how bytes travel.
"""
