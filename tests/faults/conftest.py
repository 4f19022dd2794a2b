"""What the tests of faults share: each says what it tried and saw, and a run ends with all of that as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.tried import Figures, Table

Tried = Callable[..., None]
_AT_ONCE_S = 0.01


def _show(figures: Figures) -> Iterable[str]:
    lost, recovery_s, per_s = figures
    yield "" if lost is None else f"{lost:.0f}"
    yield "" if recovery_s is None else "at once" if recovery_s < _AT_ONCE_S else f"{recovery_s:.2g}"
    yield "" if per_s is None else f"{per_s:.2g}"


TABLE = Table("tried", ("what was tried", "what happened", "lost updates", "recovery, s", "API requests a second"), _show)


@pytest.fixture
def tried(record_property: Callable[[str, object], None]) -> Tried:
    """Record a row of the table: the fault and what happened, in words; of several rows with the same words the worst is shown.

    `lost` counts wanted changes that never became live, `recovery_s` is from the end of the fault until the change that was made
    during it was live, `requests_per_s` what the API server got meanwhile.
    """

    def record(
        fault: str,
        happened: str,
        *,
        lost: int | None = None,
        recovery_s: float | None = None,
        requests_per_s: float | None = None,
    ) -> None:
        record_property(TABLE.name, (fault, happened, (lost, recovery_s, requests_per_s)))

    return record


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table."""
    TABLE.summarize(terminalreporter)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run of the whole folder fails if the README does not tell of the same faults: `make faults` is how its table was made."""
    if session.config.args == ["tests/faults"]:
        TABLE.compare(session)
