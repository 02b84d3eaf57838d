"""Dead letters as people and programs read them. Times are UTC."""

import json
from collections.abc import Sequence, Sized
from datetime import datetime
from typing import Any

from rich.table import Column, Table

from labelwatch.dead_letters import advice
from labelwatch.dead_letters.dead_letter import DeadLetter, number_of
from labelwatch.dead_letters.selection import SHORTEST_ID
from labelwatch.shared.text import printable

_EXAMPLES = 3


def table(dead_letters: Sequence[DeadLetter]) -> Table:
    """A row each, of cells with several lines: side by side they would not fit a terminal."""
    rows = _table("id, queue", "image", "reason, detail", "sent, first received,\nhow often received", show_lines=True)
    for dead_letter in dead_letters:
        rows.add_row(
            f"{dead_letter.id[:SHORTEST_ID]}\n{dead_letter.queue.name}",
            _images(dead_letter),
            f"{printable(dead_letter.reason)}\n{printable(dead_letter.detail)}",
            f"{_time(dead_letter.sent_at)}\n{_time(dead_letter.first_received_at)}\n{dead_letter.receive_count}",
        )
    return rows


def as_json(dead_letters: Sequence[DeadLetter]) -> str:
    """A list of objects."""
    return json.dumps([_object(dead_letter) for dead_letter in dead_letters], ensure_ascii=False, indent=1) + "\n"


def summary_table(dead_letters: Sequence[DeadLetter]) -> Table:
    """How many there are of each queue and reason, and the first images of them."""
    rows = _table("queue", "reason", "dead letters", "images")
    groups: dict[tuple[str, str], list[DeadLetter]] = {}
    for dead_letter in dead_letters:
        groups.setdefault((dead_letter.queue.name, dead_letter.reason), []).append(dead_letter)
    for (queue, reason), group in groups.items():
        examples = [_images(dead_letter) for dead_letter in group[:_EXAMPLES]]
        more = [f"and {len(group) - _EXAMPLES} more"] if len(group) > _EXAMPLES else []
        rows.add_row(queue, printable(reason), str(len(group)), "\n".join(examples + more))
    return rows


def details(dead_letter: DeadLetter) -> str:
    """All that there is of a dead letter, and what its reason means."""
    meaning, to_do = advice.for_reason(dead_letter.reason)
    images = dead_letter.images or ("unknown",)
    lines = [
        ("id", dead_letter.id),
        ("queue", dead_letter.queue.name),
        *(("image", str(image)) for image in images),
        ("reason", dead_letter.reason),
        ("it means", meaning),
        ("to do", to_do),
        ("sent", _time(dead_letter.sent_at)),
        ("first received", _time(dead_letter.first_received_at)),
        ("received", f"{dead_letter.receive_count} times, looks at it included"),
        *((f"attribute {name}", value) for name, value in sorted(dead_letter.attributes.items())),
        *((f"SQS's {name}", value) for name, value in sorted(dead_letter.system_attributes.items())),
    ]
    named = "\n".join(f"{name}: {printable(value)}" for name, value in lines)
    return f"{named}\nbody:\n{_pretty(dead_letter.body)}"


def count_sentence(shown: Sized, received: Sized, hidden_by_others: int) -> str:
    """How many there are, and whether all were received."""
    count = f"{len(shown)} of {number_of(received)}" if len(shown) < len(received) else number_of(received)
    if hidden_by_others:
        return (
            f"{count}; about {hidden_by_others} more out of sight: somebody else has received them. Run it again in a "
            "while."
        )
    return f"{count}; all were seen." if received else "There are no dead letters."


def _table(*names: str, show_lines: bool = False) -> Table:
    return Table(*(Column(name, overflow="fold") for name in names), show_lines=show_lines)


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
