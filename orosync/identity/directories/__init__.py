"""Directories of users: those of Oro's own database (PostgreSQL, MariaDB, MySQL), and users given at the start.

Databases are read only, with one query for each look-up, in threads; ``single_flight`` stands in front of them and
bounds the look-ups.
"""
