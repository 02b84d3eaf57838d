"""Dead letters for people and programs. Times are UTC."""

import json
from collections.abc import Sequence, Sized
from datetime import datetime
from typing import Any

from rich.console import Console

from chalicelib.domain.text import printable
from labelwatch.dead_letters import advice
from labelwatch.dead_letters.dead_letter import DeadLetter, number_of
from labelwatch.dead_letters.selection import SHORTEST_ID
from labelwatch.shared import formats
from labelwatch.shared.records import print_records
from labelwatch.shared.text import counted

_EXAMPLES = 3


def print_list(console: Console, dead_letters: Sequence[DeadLetter]) -> None:
    """Prints the dead letters as records."""
    names = ("id", "queue", "image", "reason", "detail", "sent (UTC)", "received")
    records = [
        (
            dead_letter.id[:SHORTEST_ID],
            dead_letter.queue.name,
            _images(dead_letter),
            printable(dead_letter.reason),
            printable(dead_letter.detail),
            _time(dead_letter.sent_at),
            f"{counted(dead_letter.receive_count, 'time')}, first at {_time(dead_letter.first_received_at)}",
        )
        for dead_letter in dead_letters
    ]
    print_records(console, names, records)


def as_json(dead_letters: Sequence[DeadLetter]) -> str:
    """A list of objects."""
    return formats.as_json([_object(dead_letter) for dead_letter in dead_letters])


def print_summary(console: Console, dead_letters: Sequence[DeadLetter]) -> None:
    """Prints the count for each queue and reason, with the first images."""
    groups: dict[tuple[str, str], list[DeadLetter]] = {}
    for dead_letter in dead_letters:
        groups.setdefault((dead_letter.queue.name, dead_letter.reason), []).append(dead_letter)
    names = ("queue", "reason", "dead letters", "images")
    records = [
        (queue, printable(reason), f"{len(group):,}", _examples(group)) for (queue, reason), group in groups.items()
    ]
    print_records(console, names, records, numbers=["dead letters"])


def details(dead_letter: DeadLetter) -> str:
    """Everything that is known of a dead letter, with the advice on its reason."""
    meaning, action = advice.for_reason(dead_letter.reason)
    images = dead_letter.images or ("unknown",)
    lines = [
        ("id", dead_letter.id),
        ("queue", dead_letter.queue.name),
        *(("image", str(image)) for image in images),
        ("reason", dead_letter.reason),
        ("meaning", meaning),
        ("action", action),
        ("sent (UTC)", _time(dead_letter.sent_at)),
        ("first received (UTC)", _time(dead_letter.first_received_at)),
        ("received", f"{counted(dead_letter.receive_count, 'time')}, including this command"),
        *((f"attribute {name}", value) for name, value in sorted(dead_letter.attributes.items())),
        *((f"SQS attribute {name}", value) for name, value in sorted(dead_letter.system_attributes.items())),
    ]
    named = "\n".join(f"{name}: {printable(value)}" for name, value in lines)
    return f"{named}\nbody:\n{_pretty(dead_letter.body)}"


def count_sentence(shown: Sized, received: Sized, hidden_by_others: int) -> str:
    """The count, and how many more are in flight with other consumers."""
    count = f"{len(shown):,} of {number_of(received)}" if len(shown) < len(received) else number_of(received)
    if hidden_by_others:
        return (
            f"{count}. About {hidden_by_others:,} more are in flight with another consumer. Run the command again in a "
            "few minutes."
        )
    return f"{count}." if received else "No dead letters."


def _examples(group: Sequence[DeadLetter]) -> str:
    more = [f"and {len(group) - _EXAMPLES:,} more"] if len(group) > _EXAMPLES else []
    return "\n".join([*(_images(dead_letter) for dead_letter in group[:_EXAMPLES]), *more])


def _images(dead_letter: DeadLetter) -> str:
    return "\n".join(printable(image.key) for image in dead_letter.images) or "unknown"


def _object(dead_letter: DeadLetter) -> dict[str, Any]:
    return {
        "queue": dead_letter.queue.name,
        "id": dead_letter.id,
        "reason": dead_letter.reason,
        "detail": dead_letter.detail or None,
        "rejected": dead_letter.is_rejected,
        "images": [{"bucket": image.bucket, "key": image.key} for image in dead_letter.images],
        "sent_at": dead_letter.sent_at.isoformat(),
        "first_received_at": dead_letter.first_received_at.isoformat(),
        "receive_count": dead_letter.receive_count,
    }


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=1)
    except (ValueError, RecursionError):
        return printable(body)


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"
