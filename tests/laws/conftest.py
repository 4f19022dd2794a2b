"""How hypothesis looks for exceptions to the laws."""

from __future__ import annotations

import os

from hypothesis import settings

# On a shared machine no single example has a deadline; in CI the same examples are tried each time, so that it never turns red
# by luck. At home new ones are.
settings.register_profile("laws", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("laws")
