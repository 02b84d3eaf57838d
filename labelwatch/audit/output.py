"""A verdict for people and programs."""

from collections.abc import Iterator

from chalicelib.domain.text import printable
from labelwatch.audit.compare import Verdict
from labelwatch.shared import formats
from labelwatch.shared.text import counted


def as_text(scope: object, verdict: Verdict) -> str:
    """The counts, a line for each thing that is not accounted for, and the result."""
    reasons = ", ".join(f"{reason} ({count:,})" for reason, count in verdict.reasons.items())
    counts = [
        (verdict.images, f"images: {scope}"),
        (verdict.predicted, "  images with a prediction"),
        (verdict.dead_letters, f"  images with a dead letter{f': {reasons}' if reasons else ''}"),
        (len(verdict.unaccounted_for), "  images unaccounted for"),
        (verdict.expected_alerts, "expected alerts"),
        (verdict.notified, "  alerts published"),
        (verdict.alert_dead_letters, "  alerts with a dead letter"),
        (len(verdict.not_notified), "  alerts missing"),
        (verdict.in_progress, "messages in progress, in the whole stack"),
    ]
    rare = [
        (verdict.suppressed, "alerts suppressed by a backfill without --notify"),
        (verdict.expired_predictions, "images whose prediction may have expired (PredictionDays)"),
        (verdict.predictions_of_expired_images, "predictions of images that may have expired (ImageDays)"),
        (verdict.images_also_dead_letters, "images with both a prediction and a dead letter"),
        (verdict.predictions_of_deleted_images, "predictions of images deleted from a bucket without versioning"),
    ]
    shown = counts + [(count, text) for count, text in rare if count]
    unexplained = map(printable, _unexplained(verdict))  # with keys that others choose
    return "\n".join([*(f"{count:7,} {text}" for count, text in shown), *unexplained, _result(verdict), ""])


def as_json(scope: object, verdict: Verdict) -> str:
    """An object with the counts, the lists as texts, `complete`, and `scope` as a text."""
    fields = {name: getattr(verdict, name) for name in verdict.__struct_fields__}
    texts = {
        name: [str(item) for item in value] if isinstance(value, list) else value for name, value in fields.items()
    }
    # A program must not take messages in progress for success.
    complete = {"complete": verdict.is_explained and verdict.is_complete}
    return formats.as_json({"scope": str(scope)} | texts | complete)


def _unexplained(verdict: Verdict) -> Iterator[str]:
    yield from (f"Unaccounted for: {image}" for image in verdict.unaccounted_for)
    yield from (f"Alert missing: {prediction}" for prediction in verdict.not_notified)
    yield from (f"Rows without an upload: {prediction}" for prediction in verdict.rows_without_upload)
    yield from (f"Not rows: {key}. Delete this object, then run the audit again." for key in verdict.unreadable_rows)


def _result(verdict: Verdict) -> str:
    if not verdict.is_explained:
        return f"Audit failed: {_problems(verdict)}."
    if not verdict.is_complete:
        return (
            f"Audit incomplete: {_problems(verdict)}; {counted(verdict.in_progress, 'message')} in progress. Run the "
            "command again in a few minutes."
        )
    if not verdict.images:
        return "No uploads match. Check --day and --prefix."
    return f"Audit passed: {counted(verdict.images, 'image')}, all accounted for."


def _problems(verdict: Verdict) -> str:
    problems = [
        (len(verdict.unaccounted_for), "image", "unaccounted for"),
        (len(verdict.not_notified), "alert", "missing"),
        (len(verdict.rows_without_upload), "prediction", "without an upload"),
        (len(verdict.unreadable_rows), "object", "without rows"),
    ]
    return ", ".join(f"{counted(count, noun)} {problem}" for count, noun, problem in problems if count)
