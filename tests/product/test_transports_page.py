"""What docs/transports.md shows does what it says."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.product.running_router import TREE, RunningRouter
from tests.support.processes import Child


class PageTests(SynchronousTestCase):
    def test_a_program_in_python(self) -> None:
        """The example comes in with a ticket, without an Origin, and prints what PHP publishes."""
        (example,) = re.findall(r"```python\n(.*?)```", (TREE / "docs/transports.md").read_text(), re.DOTALL)
        program = Path(self.mktemp()).absolute()
        program.write_text(example)
        with RunningRouter() as router:
            environ = {
                **os.environ,
                "ROUTER": f"ws://127.0.0.1:{router.public}/",
                "TICKET": router.ticket("anna"),
            }
            with Child([sys.executable, str(program)], environ=environ) as child:
                child.wait_for_line("anna listens")
                router.publish(port=router.backend, payload=[{"tagname": "Account_12"}])
                child.wait_for_line("Account_12")
