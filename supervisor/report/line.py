"""The one line of the log that tells an outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.model import Verdict

if TYPE_CHECKING:
    from supervisor.logs import Log
    from supervisor.model import Outcome

_CHANGED_MAX = 50
_SENTENCES = {
    Verdict.APPLIED: "the configuration is live",
    Verdict.UNCHANGED: "the configuration on disk is what is wanted",
    Verdict.REFUSED: "the configuration was refused",
    Verdict.ROLLED_BACK: "the configuration was refused and rolled back",
    Verdict.FAILED: "the configuration could not be made live",
}


def sentence(outcome: Outcome) -> str:
    """What happened and why, for people."""
    return _SENTENCES[outcome.verdict] + (f": {outcome.reason}" if outcome.reason else "")


def write_line(outcome: Outcome, log: Log) -> None:
    """Write the canonical line of an outcome: names and sizes, never contents."""
    event = f"config.{outcome.verdict.value.replace(' ', '_')}"
    (log.info if outcome.verdict.is_success else log.error)(event, sentence(outcome), **outcome_fields(outcome))


def outcome_fields(outcome: Outcome) -> dict[str, object]:
    """An outcome but for its reason, as the log tells it too."""
    fields: dict[str, object] = {
        "revision": outcome.revision,
        "verdict": outcome.verdict.value,
        "took_ms": round(outcome.took_s * 1000, 1),
        "steps_ms": {name: round(seconds * 1000, 1) for name, seconds in outcome.steps},
        "live": outcome.live,
        "origins": [
            {"kind": origin.kind, "namespace": origin.namespace, "name": origin.name, "resource_version": origin.version}
            for origin in outcome.origins
        ],
        "changed": [{"path": one.path, "what": one.what, "bytes": one.size} for one in outcome.changed[:_CHANGED_MAX]],
    }
    if len(outcome.changed) > _CHANGED_MAX:
        fields["changed_in_all"] = len(outcome.changed)
    return fields
