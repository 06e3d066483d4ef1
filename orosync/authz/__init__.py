"""What somebody may do: topic rules, roles' permissions, procedures that decide, and the chain in which they are asked.

It must not know sockets, tickets, or how a realm works.
"""
