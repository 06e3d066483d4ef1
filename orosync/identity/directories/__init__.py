"""Directories that ask Oro's own database: PostgreSQL, MariaDB and MySQL.

Read only, one query for each look-up, in threads of their own; ``lookups`` stands in front of them and keeps a storm,
or a database that is down, from becoming everybody's. They must not know tickets, cookies or WAMP.
"""
