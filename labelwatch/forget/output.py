"""What was found and what stays, for people and programs."""

import json
from collections.abc import Iterator, Mapping, Sequence

from chalicelib.adapters.dynamodb import RECORD_RETENTION
from chalicelib.domain.text import printable
from labelwatch.forget.find import Found
from labelwatch.forget.objects import ObjectVersion
from labelwatch.forget.selection import Selection
from labelwatch.shared.text import counted

_EXAMPLES = 20


def lines(found: Found) -> Iterator[str]:
    """A line for each store, and the first images."""
    names = {
        "images": "versions and delete markers of images in the input bucket",
        "existing_images": "versions and delete markers of images in the existing bucket",
        "rows": "predictions",
        "links": "links to picture pages",
        "records": "records in the table",
        "dead_letters": "dead letters",
    }
    for name, text in names.items():
        yield f"{len(getattr(found, name)):7,} {text}"
    keys = list(dict.fromkeys(f"s3://{image.bucket}/{image.key}" for image in _images(found)))
    yield from (f"Image: {printable(key)}" for key in keys[:_EXAMPLES])
    if len(keys) > _EXAMPLES:
        yield f"And {len(keys) - _EXAMPLES:,} more."


def waiting_sentence(waiting: int) -> str:
    """The messages in progress, which may be of selected images; empty without any."""
    if not waiting:
        return ""
    return (
        f"About {counted(waiting, 'message')} in progress may be of these images. SQS deletes no message by its "
        "content. Run the same command again when the queues are empty: it deletes what follows from these messages."
    )


def not_recallable(outputs: Mapping[str, str]) -> list[str]:
    """What a stack with these outputs cannot call back, and how long that stays."""
    workspace = outputs["WorkspaceBucket"]
    return [
        "Alerts that were sent, by e-mail, SMS or to programs. Their links open no page.",
        "Pictures that are open in a browser.",
        "Logs of the functions, which name keys: 90 days.",
        f"Access logs in s3://{workspace}/access-logs/, which name keys: 90 days.",
        f"Athena results: 30 days. To delete: aws s3 rm s3://{workspace}/athena-results/ --recursive",
        "Athena's history, with the text of queries: 45 days.",
        "Point-in-time recovery of the table: 35 days.",
        f"Hashes of earlier dead letters in the table, without a key: {RECORD_RETENTION.days} days.",
        "Rows in QuickSight (SPICE): until the next import.",
        "Copies elsewhere: reports, downloads, backups, replicas, CloudTrail.",
        "Images that AWS keeps to improve Rekognition, until you opt out: see docs/privacy.md.",
    ]


def as_json(  # noqa: PLR0913 - the parts of the output, by name
    selection: Selection, found: Found, outputs: Mapping[str, str], *, waiting: int, deleted: bool, kept: bool
) -> str:
    """An object with the number or the names of what was found; `kept`: the existing bucket is unchanged."""
    content = {
        "selection": selection._asdict(),
        "deleted": deleted,
        "images": [str(image) for image in found.images],
        "existing_images": [str(image) for image in found.existing_images],
        "existing_images_kept": kept,
        "predictions": [row.key for row in found.rows],
        "links": len(found.links),
        "records": len(found.records),
        "dead_letters": [dead_letter.id for dead_letter in found.dead_letters],
        "in_progress": waiting,
        "not_recallable": not_recallable(outputs),
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _images(found: Found) -> Sequence[ObjectVersion]:
    return [*found.images, *found.existing_images]
