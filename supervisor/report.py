"""What happened, told once for each revision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.model import Verdict

if TYPE_CHECKING:
    from supervisor.logs import Log
    from supervisor.model import Outcome

_FILES_MAX = 50

_SENTENCES = {
    Verdict.APPLIED: "the configuration is live",
    Verdict.UNCHANGED: "the configuration on disk is what is wanted",
    Verdict.REFUSED: "the configuration was refused",
    Verdict.ROLLED_BACK: "the configuration was refused and rolled back",
    Verdict.FAILED: "the configuration could not be made live",
}


def report(outcome: Outcome, log: Log) -> None:
    """Write the canonical line of an outcome: names and sizes, never contents."""
    is_good = outcome.verdict in {Verdict.APPLIED, Verdict.UNCHANGED}
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
        "changed": [{"path": one.path, "what": one.what, "bytes": one.size} for one in outcome.changed[:_FILES_MAX]],
    }
    if len(outcome.changed) > _FILES_MAX:
        fields["changed_in_all"] = len(outcome.changed)
    sentence = _SENTENCES[outcome.verdict] + (f": {outcome.reason}" if outcome.reason else "")
    (log.info if is_good else log.error)(f"config.{outcome.verdict.value.replace(' ', '_')}", sentence, **fields)
