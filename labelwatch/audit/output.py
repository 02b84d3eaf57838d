"""A verdict as people and programs read it."""

import json
from collections.abc import Iterator

from labelwatch.audit.compare import Verdict

RUN_LATER = "Run this again when the queues are empty."


def as_text(scope: object, verdict: Verdict) -> str:
    """The counts, then each thing that they do not explain, then whether it adds up."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in verdict.reasons.items())
    lines = [
        f"{verdict.images:7,} images: {scope}",
        f"{verdict.predicted:7,}   have their prediction stored",
        f"{verdict.dead_letters:7,}   are dead letters{f': {reasons}' if reasons else ''}",
        f"{len(verdict.unaccounted_for):7,}   are unaccounted for",
        f"{verdict.expected_alerts:7,} predictions are worth an alert",
        f"{verdict.notified:7,}   were notified",
        f"{verdict.alert_dead_letters:7,}   are dead letters",
        f"{len(verdict.not_notified):7,}   were not notified",
        f"{verdict.in_progress:7,} messages of the whole stack are in progress, or hidden by another reader",
    ]
    if verdict.suppressed:
        lines.append(f"{verdict.suppressed:7,} predictions are worth one too, and of a backfill without alerts")
    if verdict.images_also_dead_letters:
        lines.append(f"{verdict.images_also_dead_letters:7,} images have a prediction, and are dead letters too")
    if verdict.predictions_of_deleted_images:
        lines.append(
            f"{verdict.predictions_of_deleted_images:7,} predictions are of images that a bucket without versions no "
            "longer has"
        )
    return "\n".join([*lines, *_unexplained(verdict), _summary(verdict), ""])


def as_json(scope: object, verdict: Verdict) -> str:
    """An object with the counts, the lists as texts, `complete`, and `scope` in words."""
    fields = {name: getattr(verdict, name) for name in verdict.__struct_fields__}
    texts = {
        name: [str(item) for item in value] if isinstance(value, list) else value for name, value in fields.items()
    }
    # A program must not take messages in progress for success.
    complete = {"complete": verdict.is_explained and verdict.is_complete}
    return json.dumps({"scope": str(scope)} | texts | complete, ensure_ascii=False, indent=1) + "\n"


def _unexplained(verdict: Verdict) -> Iterator[str]:
    yield from (f"unaccounted for: {image}" for image in verdict.unaccounted_for)
    yield from (f"not notified: {prediction}" for prediction in verdict.not_notified)
    yield from (
        f"rows of nothing uploaded (or of what was deleted for good): {prediction}"
        for prediction in verdict.rows_without_upload
    )
    yield from (f"no rows; take it away, and see whose prediction is missing: {key}" for key in verdict.unreadable_rows)


def _summary(verdict: Verdict) -> str:
    if not verdict.is_explained:
        return "It does not add up."
    if not verdict.is_complete:
        return f"What is left over may be in progress. {RUN_LATER}"
    return "It adds up." if verdict.images else "Nothing was uploaded there."
