"""The page on exit codes and JSON: what programs read of the commands."""

from datetime import date

from checks.reference.commands import all_commands, help_records
from checks.reference.markdown import definitions, page
from labelwatch.analytics import output as analytics
from labelwatch.analytics.athena import QueryResult
from labelwatch.audit import output as audit
from labelwatch.audit.compare import Found, Uploaded, compare
from labelwatch.audit.read import Scope
from labelwatch.dead_letters import output as dead_letters
from labelwatch.dead_letters.dead_letter import DeadLetter, DeadLetterQueue
from labelwatch.shared.errors import EXIT_CODES

DAY = date(2026, 11, 26)
_NOTIFICATION = (
    '{"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", '
    '"s3": {"bucket": {"name": "images"}, "object": {"key": "notes.jpg"}}}]}'
)


def exit_codes() -> str:
    """Each exit code, and an example of the JSON of each command that writes JSON."""
    examples = json_outputs()
    return page(
        "Exit codes and JSON output",
        "## Exit codes",
        "A failed command writes one sentence to standard error.",
        definitions((f"`{code}`", meaning) for code, meaning in EXIT_CODES.items()),
        "## JSON output",
        "With `--format json` a command writes JSON to standard output, and everything else to standard error.",
        *(f"### `labelwatch {path}`\n\n```json\n{examples[path].rstrip()}\n```" for path in json_commands()),
    )


def json_commands() -> list[str]:
    """The commands with `--format json`."""
    return [
        path
        for path, context in all_commands()
        if any(option.startswith("--format") and "json" in option for option, _ in help_records(context))
    ]


def json_outputs() -> dict[str, str]:
    """What each command writes of a small example."""
    missing = Uploaded("images", "leaf.jpg", "v1", "etag", DAY)
    found = Found(
        uploads=[missing], predictions=[], image_dead_letters=[], prediction_dead_letters=[], notified=[],
        alerts_since=DAY, in_progress=0,
    )  # fmt: skip
    dead_letter = DeadLetter(
        queue=DeadLetterQueue("images", "", ""),
        id="6b0e71bd-7e97-4d97-80ce-4a0994e55286",
        body=_NOTIFICATION,
        attributes={"reason": "EmptyImage", "detail": "The object is empty", "disposition": "reject"},
        system_attributes={
            "SentTimestamp": "1795341600123",
            "ApproximateFirstReceiveTimestamp": "1795341660000",
            "ApproximateReceiveCount": "3",
        },
    )
    return {
        "athena query": analytics.as_json(QueryResult(["label", "images"], ["varchar", "bigint"], [["rust", "3"]], 0)),
        "audit": audit.as_json(Scope(DAY, ""), compare(found)),
        "dead-letters list": dead_letters.as_json([dead_letter]),
    }
