from __future__ import annotations

import os

import pytest

from tests.conftest import needs_root
from tests.faults.conftest import Tried
from tests.soak import soak


@pytest.mark.slow
@needs_root
def test_twenty_seconds_of_a_bad_day(tried: Tried) -> None:
    """`make soak`, short: the end is right, and there is no more of anything than before."""
    if not os.environ.get("KUBEBUILDER_ASSETS"):
        pytest.skip("no KUBEBUILDER_ASSETS")
    soak(1 / 3, seed=7)
    tried("a soak: five changes a second, random faults", "the last change is live, nothing has grown", lost=0)
