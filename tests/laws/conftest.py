"""How hypothesis looks for exceptions to the laws."""

from __future__ import annotations

import os

from hypothesis import settings

# On a shared machine no single example has a deadline; in CI the same examples are tried each time, so that it never turns red
# by luck. At home new ones are, and `make fuzz` tries many more.
CASES = int(os.environ.get("FUZZ_CASES", "100"))
settings.register_profile("laws", deadline=None, derandomize="CI" in os.environ, print_blob=True, max_examples=CASES)
settings.load_profile("laws")
