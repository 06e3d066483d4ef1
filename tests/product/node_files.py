"""What the nodes of one router have in common: its secrets, and the end of their configurations."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

from tests.product.running_router import ticket

REALMS = """
[realm:open]
authenticators = guests
authorizers = roles
[role:open/guest]
permissions =
    any all

[authenticator:tickets]
use = ticket
secret = file:{place}/secret
directory = people
[authenticator:guests]
use = anonymous
role = guest
[directory:people]
use = static
user.anna = 1 file:{place}/anna organizations=1
[topics:oro]
use = oro
[notifications]
realm = oro
"""
"""For users with tickets, PHP, and other clients; the realm "oro" itself, and the listeners, differ."""

BACKPLANE = """
[backplane]
use = redis
dsn = file:{place}/{dsn}
secret = file:{place}/key
"""


class NodeFiles:
    """The files in ``place``."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="nodes-")
        self.place = Path(self._directory.name)
        self.secret, self._hash = secrets.token_hex(20), "$2y$13$" + secrets.token_hex(20)
        self.write("secret", self.secret)
        self.write("anna", self._hash)
        self.write("key", secrets.token_hex(32))

    def write(self, name: str, text: str) -> None:
        """A file that its owner alone may read."""
        (self.place / name).write_text(text + "\n")
        (self.place / name).chmod(0o600)

    def configured(self, name: str, configuration: str, **values: object) -> Path:
        """The configuration of a node, with ``values`` filled in."""
        config = self.place / f"{name}.ini"
        config.write_text(configuration.format(name=name, place=self.place, **values))
        return config

    def ticket(self, user: str = "anna") -> str:
        """What Oro would issue now; the back end's for an empty name."""
        return ticket(user, self._hash if user else self.secret, self.secret)

    def cleanup(self) -> None:
        """They are gone."""
        self._directory.cleanup()
