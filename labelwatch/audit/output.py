"""A verdict as people and programs read it."""

import json
from collections.abc import Iterator, Sequence

from msgspec import Struct

from labelwatch.audit.compare import Verdict

LATER = "Run this again when the queues are empty."


def as_text(scope: object, verdict: Verdict) -> str:
    """What was counted, then each thing that is left over, then whether it adds up."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in verdict.reasons.items())
    aside = f"are dead letters: {reasons}" if reasons else "are dead letters"
    lines = [
        f"{verdict.images:7,} images: {scope}",
        f"{verdict.predicted:7,}   have their prediction stored",
        f"{verdict.aside:7,}   {aside}",
        f"{len(verdict.without_fate):7,}   have met no fate",
        f"{verdict.due:7,} predictions are worth an alert",
        f"{verdict.told:7,}   were told of",
        f"{verdict.due_aside:7,}   are dead letters",
        f"{len(verdict.untold):7,}   nobody was told of",
        f"{verdict.on_the_way:7,} messages of the whole stack are on the way, or in the hands of another reader",
    ]
    if verdict.quiet:
        lines.append(f"{verdict.quiet:7,} predictions are worth one too, and of a backfill that was to tell nobody")
    if verdict.twice:
        lines.append(f"{verdict.twice:7,} images have a prediction, and are dead letters too")
    if verdict.gone:
        lines.append(f"{verdict.gone:7,} predictions are of images that a bucket without versions no longer has")
    return "\n".join([*lines, *_left_over(verdict), _summary(verdict), ""])


def as_json(scope: object, verdict: Verdict) -> str:
    """An object with the counts, the lists, `adds_up`, and `scope` in words."""
    counts = {name: getattr(verdict, name) for name in verdict.__struct_fields__ if not _is_list(verdict, name)}
    lists = {name: _names(getattr(verdict, name)) for name in verdict.__struct_fields__ if _is_list(verdict, name)}
    told = {"scope": str(scope)} | counts | lists | {"adds_up": verdict.adds_up and not verdict.left_over}
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


def _left_over(verdict: Verdict) -> Iterator[str]:
    yield from (f"no fate: {one}" for one in verdict.without_fate)
    yield from (f"nobody was told of: {one}" for one in verdict.untold)
    yield from (f"rows of nothing uploaded (or of what was deleted for good): {one}" for one in verdict.unknown)
    yield from (f"no rows; take it away, and see whose prediction is missing: {one}" for one in verdict.unreadable)


def _summary(verdict: Verdict) -> str:
    if not verdict.adds_up:
        return "It does not add up."
    if verdict.left_over:
        return f"What is left over may be on the way. {LATER}"
    return "It adds up." if verdict.images else "Nothing was uploaded there."


def _is_list(verdict: Verdict, name: str) -> bool:
    return isinstance(getattr(verdict, name), list)


def _names(things: Sequence[Struct]) -> list[str]:
    return [str(one) for one in things]
