"""The functions' requests to AWS: which call a request is, and of which alert or dead letter."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import parse_qs

from labelwatch.local.session import OUTPUT_BUCKET
from tests.support.call_counter import operation_name
from tests.support.proxy import Request

ACQUIRE_ALERT, COMPLETE_ALERT = "dynamodb acquire alert", "dynamodb complete alert"
RELEASE_ALERT, PUBLISH = "dynamodb release alert", "sns Publish"
ACQUIRE_DEAD_LETTER, COMPLETE_DEAD_LETTER = "dynamodb acquire dead-letter", "dynamodb complete dead-letter"
RELEASE_DEAD_LETTER, SEND_DEAD_LETTER = "dynamodb release dead-letter", "sqs SendMessage"
SEND_PARTS = "sqs SendMessageBatch of parts"
HEAD_ROWS = "s3 HeadObject of rows"
PUT_LINK = "dynamodb PutItem of a link"
# Calls that must happen once, calls that record them afterwards, and the call without whose answer a dead letter is
# sent all the same.
SENDING, COMPLETING, ACQUIRING = (
    {PUBLISH, SEND_DEAD_LETTER},
    {COMPLETE_ALERT, COMPLETE_DEAD_LETTER},
    {ACQUIRE_DEAD_LETTER},
)
# The prefix of a dead letter's id in the torture; an alert has the id of its prediction.
DEAD_LETTER = "dead letter "


def call_of(request: Request) -> str:
    """`service Operation`; with the purpose, where the functions use one operation for several purposes."""
    name = operation_name(request.method, request.path, request.headers, request.body)
    if name == "s3 HeadObject" and request.path.startswith(f"/{OUTPUT_BUCKET}/"):
        return HEAD_ROWS
    if name == "sqs SendMessageBatch" and "ImagesQueue" in json.loads(request.body)["QueueUrl"]:
        return SEND_PARTS
    if name == "dynamodb PutItem" and json.loads(request.body)["Item"]["kind"]["S"] == "link":
        return PUT_LINK
    if name != "dynamodb UpdateItem":
        return name
    update = json.loads(request.body)
    change = update["UpdateExpression"]
    act = "acquire" if "owner_id" in change else "complete" if "completed_at" in change else "release"
    return f"dynamodb {act} {update['Key']['kind']['S']}"


def ids_of(request: Request, call: str) -> frozenset[str]:
    """The ids of the alerts or dead letters that this call sends, acquires or completes; none for other calls."""
    if call == COMPLETE_ALERT:
        return frozenset({_record_id(request)})
    if call in {ACQUIRE_DEAD_LETTER, COMPLETE_DEAD_LETTER}:
        return frozenset({DEAD_LETTER + _record_id(request)})
    if call == SEND_DEAD_LETTER:
        return _dead_letter_ids(json.loads(request.body))
    if call != PUBLISH:
        return frozenset()
    form = {key: values[0] for key, values in parse_qs(request.body.decode()).items()}
    (attribute,) = [key for key, value in form.items() if key.endswith(".Name") and value == "predictions"]
    rows = json.loads(form[attribute.removesuffix("Name") + "Value.StringValue"])
    return frozenset(row.rpartition("/")[2].removesuffix(".json") for row in rows)


def owner_of(acquisition: Request) -> str:
    """The owner that acquires the record."""
    owner: str = json.loads(acquisition.body)["ExpressionAttributeValues"][":owner"]["S"]
    return owner


def _record_id(request: Request) -> str:
    record_id: str = json.loads(request.body)["Key"]["id"]["S"]
    return record_id


def _dead_letter_ids(message: dict[str, str]) -> frozenset[str]:
    """The id of the function's own record; none for a message that is no event, whose id only the function knows."""
    if not message["MessageBody"].startswith('{"dead_letter_count":'):
        return frozenset()
    content = f"{message['QueueUrl']}\n{message['MessageBody']}"
    return frozenset({DEAD_LETTER + hashlib.sha256(content.encode()).hexdigest()})
