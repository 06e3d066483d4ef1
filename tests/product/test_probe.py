"""The running product says at its start what is wrong with what it depends on, and what users will see; it is ready
all the same."""

from __future__ import annotations

import os
import re
import socket
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.product.running_router import RunningRouter, start
from tests.support import mistakes


class AtStart(SynchronousTestCase):
    """``twistd orosync``."""

    def test_every_mistake(self) -> None:
        """Ports that are closed, databases that are not there, passwords and grants: one line each, without a secret,
        while the listeners are open; with what users see where an authenticator depends on it."""
        office = "[authenticator:office]\nuse = cookie\nsessions = redis_closed\ndirectory = mysql_database\n"
        with (
            mock.patch.dict(os.environ, mistakes.environment()),
            RunningRouter(more=office + mistakes.sections()) as router,
        ):
            for title, (state, said) in mistakes.EXPECTED.items():
                line = router.child.wait_for_line(f"probe ({state}): check={title} ")
                self.assertIn(said, line.replace('\\"', '"'))
                self.assertRegex(line, 'remedy="')
            log = router.log
            seen = 'result=".*" users="every new cookie is answered with 503'
            self.assertRegex(log, rf"probe \(unreachable\): check=sessions:redis_closed {seen}")
            self.assertRegex(log, rf"probe \(fault\): check=directory:mysql_database {seen}")
            for secret in mistakes.passwords():
                self.assertNotIn(secret, log)
            self.assertLess(log.index("[listen:public] serves"), log.index("probe ("))

    def test_port_taken(self) -> None:
        """The start fails, and says by whom."""
        with RunningRouter() as router:
            router.child.end()
            with socket.socket() as taken:
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                taken.bind(("127.0.0.1", router.public))
                taken.listen()
                with start(router.config) as child:
                    line = child.wait_for_line("cannot listen on")
                    self.assertEqual(child.process.wait(20), 1)
        self.assertTrue(re.search(rf"Address already in use by \S+ \(pid {os.getpid()}, ", line), line)

    def test_quoted_secret(self) -> None:
        """The start fails, and says what to do."""
        with RunningRouter() as router:
            router.child.end()
            (router.config.parent / "secret").write_text(f'"{router.secret}"\n')
            with start(router.config) as child:
                line = child.wait_for_line("[authenticator:tickets] secret: ")
                self.assertEqual(child.process.wait(20), 1)
        self.assertIn("holds the secret in quotes, as .env files do: take the quotes away", line)
        self.assertNotIn(router.secret, line)
