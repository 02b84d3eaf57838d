"""Dead letters as people and programs read them. Times are UTC."""

import json
from collections.abc import Sequence, Sized
from datetime import datetime
from typing import Any

from rich.table import Column, Table

from labelwatch.dead_letters import advice
from labelwatch.dead_letters.dead_letter import Letter, number_of
from labelwatch.dead_letters.selection import SHORTEST_ID
from labelwatch.shared.text import printable

_EXAMPLES = 3


def as_table(letters: Sequence[Letter]) -> Table:
    """A row each, of cells with several lines: side by side they would not fit a terminal."""
    names = ("id, queue", "image", "reason, detail", "sent, first received,\nhow often received")
    table = Table(*(Column(name, overflow="fold") for name in names), show_lines=True)
    for one in letters:
        table.add_row(
            f"{one.id[:SHORTEST_ID]}\n{one.box.name}",
            _images(one),
            f"{printable(one.reason)}\n{printable(one.detail)}",
            f"{_time(one.sent)}\n{_time(one.first_received)}\n{one.received}",
        )
    return table


def as_json(letters: Sequence[Letter]) -> str:
    """A list of objects."""
    return json.dumps([_object(one) for one in letters], ensure_ascii=False, indent=1) + "\n"


def summed(letters: Sequence[Letter]) -> Table:
    """How many there are of each queue and reason, and the first images of them."""
    table = Table(*(Column(name, overflow="fold") for name in ("queue", "reason", "dead letters", "images")))
    groups: dict[tuple[str, str], list[Letter]] = {}
    for one in letters:
        groups.setdefault((one.box.name, one.reason), []).append(one)
    for (queue, reason), some in groups.items():
        examples = [_images(one) for one in some[:_EXAMPLES]]
        more = [f"and {len(some) - _EXAMPLES} more"] if len(some) > _EXAMPLES else []
        table.add_row(queue, printable(reason), str(len(some)), "\n".join(examples + more))
    return table


def whole(letter: Letter) -> str:
    """All that there is of one, and what its reason means."""
    said = advice.on(letter.reason)
    images = letter.images or ("unknown",)
    lines = [
        ("id", letter.id),
        ("queue", letter.box.name),
        *(("image", str(one)) for one in images),
        ("reason", letter.reason),
        ("it means", said.meaning),
        ("to do", said.to_do),
        ("sent", _time(letter.sent)),
        ("first received", _time(letter.first_received)),
        ("received", f"{letter.received} times, looks at it included"),
        *((f"attribute {name}", value) for name, value in sorted(letter.said.items())),
        *((f"SQS's {name}", value) for name, value in sorted(letter.known.items())),
    ]
    named = "\n".join(f"{name}: {printable(value)}" for name, value in lines)
    return f"{named}\nbody:\n{_pretty(letter.body)}"


def counted(shown: Sized, seen: Sized, elsewhere: int) -> str:
    """How many there are, and whether all were seen."""
    there = f"{len(shown)} of {number_of(seen)}" if len(shown) < len(seen) else number_of(seen)
    if elsewhere:
        return (
            f"{there}; about {elsewhere} more out of sight: somebody else has received them. Run it again in a while."
        )
    return f"{there}; all were seen." if seen else "There are no dead letters."


def _images(letter: Letter) -> str:
    return "\n".join(printable(image.key) for image in letter.images) or "unknown"


def _object(letter: Letter) -> dict[str, Any]:
    return {
        "queue": letter.box.name,
        "id": letter.id,
        "reason": letter.reason,
        "detail": letter.detail or None,
        "rejected": letter.is_rejected,
        "images": [{"bucket": image.bucket, "key": image.key} for image in letter.images],
        "sent": letter.sent.isoformat(),
        "first_received": letter.first_received.isoformat(),
        "received": letter.received,
    }


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=1)
    except (ValueError, RecursionError):
        return printable(body)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
