"""The page on exit codes and JSON: what programs read of the commands."""

from datetime import UTC, date, datetime

from chalicelib.domain.images import ImageReference
from chalicelib.domain.predictions import Label, Prediction
from checks.reference.commands import all_commands, help_records
from checks.reference.markdown import definitions, page
from labelwatch.analytics import output as analytics
from labelwatch.analytics.athena import QueryResult
from labelwatch.audit import output as audit
from labelwatch.audit.compare import Found, Uploaded, compare
from labelwatch.audit.read import Scope
from labelwatch.dead_letters import output as dead_letters
from labelwatch.dead_letters.dead_letter import DeadLetter, DeadLetterQueue
from labelwatch.doctor import Status
from labelwatch.forget import output as forget
from labelwatch.forget.find import Found as Forgotten
from labelwatch.forget.objects import ObjectVersion
from labelwatch.forget.records import Record
from labelwatch.forget.selection import Selection
from labelwatch.shared.errors import EXIT_CODES
from labelwatch.shared.findings import Finding, Result, as_json
from labelwatch.subscriptions import deliveries
from labelwatch.subscriptions.endpoints import Arn, Endpoint
from labelwatch.subscriptions.subscription import State, Subscription, Topic
from labelwatch.subscriptions.testing import alert_of

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
    test_alert = alert_of(_test_prediction())
    subscription = Subscription(
        Topic("alerts", Arn("aws", "sns", "eu-central-1", "123456789012", "labelwatch-alerts")),
        Endpoint("email", "grower@example.com"),
        State.CONFIRMED,
        policy={"source": ["field-3"]},
    )
    return {
        "alert test": deliveries.as_json(test_alert, deliveries.deliveries_of(test_alert, [subscription])),
        "athena query": analytics.as_json(QueryResult(["label", "images"], ["varchar", "bigint"], [["rust", "3"]], 0)),
        "audit": audit.as_json(Scope(DAY, ""), compare(found)),
        "forget": _forgotten(dead_letter),
        "dead-letters list": dead_letters.as_json([dead_letter]),
        "verify": as_json(
            [Finding(check="Detection", result=Result.PASS, found="Rows stored: rust 97.0 %.", seconds=3.2)],
            version="1.0.0", region="eu-central-1", deployment="CloudFormation", model="custom",
        ),
        "doctor": as_json([_finding()], stack="labelwatch-prod", region="eu-central-1"),
        "status": _status().as_json(),
    }  # fmt: skip


def _forgotten(dead_letter: DeadLetter) -> str:
    key = "notes.jpg"
    image = ObjectVersion("images", key, "v1", "etag")
    found = Forgotten(
        links=[], dead_letters=[dead_letter], records=[Record("dead-letter", "hash")], rows=[], images=[image],
        existing_images=[],
    )  # fmt: skip
    outputs = {"WorkspaceBucket": "rows-workspace"}
    return forget.as_json(Selection(key=key), found, outputs, waiting=0, deleted=True, kept=False)


def _finding() -> Finding:
    return Finding(
        check="Dead letters",
        result=Result.WARN,
        found="3 in the images dead-letter queue.",
        action="Run `labelwatch dead-letters list`.",
    )


def _status() -> Status:
    reasons = {"picture_links": "Skipped: needs dynamodb:Query."}
    values: dict[str, str | int | None] = {
        "model": "RUNNING",
        "polling": "on",
        "images_waiting": 3,
        "picture_links": None,
    }
    return Status("labelwatch-prod", "eu-central-1", values, reasons)


def _test_prediction() -> Prediction:
    moment = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    image = ImageReference(
        bucket="images", key="test/test.jpg", version_id=None, etag="etag", size=0, content_type="image/jpeg",
        metadata={}, uploaded_at=moment,
    )  # fmt: skip
    labels = (Label("rust", 100),)
    return Prediction(image=image, model="test", min_confidence=0, labels=labels, detected_at=moment, test=True)
