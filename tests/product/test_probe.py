"""The running product says at its start what is wrong with what it depends on, and what users will see; it is ready
all the same."""

from __future__ import annotations

import os
import re
import socket
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.product.house import House, start
from tests.support import mistakes


class AtStart(SynchronousTestCase):
    """``twistd orosync``."""

    def test_every_mistake(self) -> None:
        """Ports that are closed, databases that are not there, passwords and grants: one line each, without a secret,
        while the listeners are open; with what users see where an authenticator depends on it."""
        office = "[authenticator:office]\nuse = cookie\nsessions = redis_closed\ndirectory = mysql_database\n"
        with mock.patch.dict(os.environ, mistakes.environment()), House(more=office + mistakes.sections()) as house:
            for title, (state, said) in mistakes.EXPECTED.items():
                line = house.child.wait_for_line(f"probe ({state}): check={title} ")
                self.assertIn(said, line.replace('\\"', '"'))
                self.assertRegex(line, 'remedy="')
            log = house.log
            seen = 'result=".*" users="every new cookie is answered with 503'
            self.assertRegex(log, rf"probe \(unreachable\): check=sessions:redis_closed {seen}")
            self.assertRegex(log, rf"probe \(fault\): check=directory:mysql_database {seen}")
            for secret in mistakes.passwords():
                self.assertNotIn(secret, log)
            self.assertLess(log.index("[listen:public] serves"), log.index("probe ("))

    def test_port_taken(self) -> None:
        """The start fails, and says by whom."""
        with House() as house:
            house.child.end()
            with socket.socket() as taken:
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                taken.bind(("127.0.0.1", house.public))
                taken.listen()
                with start(house.config) as child:
                    line = child.wait_for_line("cannot listen on")
                    self.assertEqual(child.process.wait(20), 1)
        self.assertTrue(re.search(rf"Address already in use by \S+ \(pid {os.getpid()}, ", line), line)

    def test_quoted_secret(self) -> None:
        """The start fails, and says what to do."""
        with House() as house:
            house.child.end()
            (house.config.parent / "secret").write_text(f'"{house.secret}"\n')
            with start(house.config) as child:
                line = child.wait_for_line("[authenticator:tickets] secret: ")
                self.assertEqual(child.process.wait(20), 1)
        self.assertIn("holds the secret in quotes, as .env files do: take the quotes away", line)
        self.assertNotIn(house.secret, line)
