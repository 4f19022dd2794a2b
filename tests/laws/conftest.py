"""How hypothesis looks for exceptions to the laws."""

from __future__ import annotations

import os
from datetime import timedelta

from hypothesis import settings

# No single example takes a minute, however busy the machine is: that would be a hang. In CI the same examples are tried each
# time, so that it never turns red by luck. At home new ones are, and `make fuzz` tries many more.
CASES = int(os.environ.get("FUZZ_CASES", "100"))
settings.register_profile(
    "laws", deadline=timedelta(minutes=1), derandomize="CI" in os.environ, print_blob=True, max_examples=CASES
)
settings.load_profile("laws")
