"""The tests of orosync; they mirror the package file by file.

Property tests run with a profile of hypothesis: ``short`` here, ``long`` in ``make fuzz``. Neither knows a deadline:
a busy machine is no fault of the code.
"""

import os

from hypothesis import settings

settings.register_profile("short", deadline=None, max_examples=100)
settings.register_profile("long", deadline=None, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
