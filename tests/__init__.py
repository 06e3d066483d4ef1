"""The tests of orosync; they mirror the package file by file.

Property tests run with a profile of hypothesis: ``short`` here, ``long`` in ``make fuzz``. Neither knows a deadline:
a busy machine is no fault of the code.

A process may open as many files as the system permits: below that the configuration of a router gives a warning, and
the limit of a fresh Debian is 1,024.
"""

import os
import resource

from hypothesis import settings

settings.register_profile("short", deadline=None, max_examples=100)
settings.register_profile("long", deadline=None, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))

_, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_most, _most))
