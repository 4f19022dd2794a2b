"""Python begins with this where the folder is in PYTHONPATH: no wait for signals begins before the file $GO is there.

That one would begin is told by the file $WAITS.
"""

import _signal  # type: ignore[import-not-found]  # what inbox uses
import os
import time
from collections.abc import Callable
from typing import Any


def late(wait: Callable[..., Any]) -> Callable[..., Any]:
    def wait_late(*arguments: Any) -> Any:
        open(os.environ["WAITS"], "w").close()
        while not os.path.exists(os.environ["GO"]):
            time.sleep(0.01)
        return wait(*arguments)

    return wait_late


_signal.sigwait, _signal.sigtimedwait = late(_signal.sigwait), late(_signal.sigtimedwait)
