"""What a function asks of AWS, as the torture sees it: which call a request is, and what it tells or notes as told."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import parse_qs

from labelwatch.local.session import OUTPUT_BUCKET
from tests.support.call_counter import operation
from tests.support.proxy import Asked

CLAIM, NOTE, RELEASE, PUBLISH = "dynamodb claim alert", "dynamodb note alert", "dynamodb release alert", "sns Publish"
CLAIM_ASIDE, NOTE_ASIDE, SET_ASIDE = "dynamodb claim dead-letter", "dynamodb note dead-letter", "sqs SendMessage"
RELEASE_ASIDE = "dynamodb release dead-letter"
SPLIT = "sqs SendMessageBatch of parts"
HEAD_OF_ROWS = "s3 HeadObject of rows"
# What may be told once only, what is written down of it afterwards, and what without a claim is told all the same.
TELLING, NOTING, CLAIMING = {PUBLISH, SET_ASIDE}, {NOTE, NOTE_ASIDE}, {CLAIM_ASIDE}
# What the id of a dead letter begins with here; that of an alert is the prediction's.
ASIDE = "dead letter "


def name_of(asked: Asked) -> str:
    """`service Operation`; where one operation is used for several things, with what it is used for."""
    name = operation(asked.method, asked.path, asked.headers, asked.body)
    if name == "s3 HeadObject" and asked.path.startswith(f"/{OUTPUT_BUCKET}/"):
        return HEAD_OF_ROWS
    if name == "sqs SendMessageBatch" and "ImagesQueue" in json.loads(asked.body)["QueueUrl"]:
        return SPLIT
    if name != "dynamodb UpdateItem":
        return name
    write = json.loads(asked.body)
    change = write["UpdateExpression"]
    act = "claim" if "owner_id" in change else "note" if "completed_at" in change else "release"
    return f"dynamodb {act} {write['Key']['kind']['S']}"


def told_of(asked: Asked, name: str) -> frozenset[str]:
    """The ids of what is told by this call, or claimed or noted; none where it is another."""
    if name == NOTE:
        return frozenset({_item(asked)})
    if name in {CLAIM_ASIDE, NOTE_ASIDE}:
        return frozenset({ASIDE + _item(asked)})
    if name == SET_ASIDE:
        return _set_aside(json.loads(asked.body))
    if name != PUBLISH:
        return frozenset()
    form = {key: values[0] for key, values in parse_qs(asked.body.decode()).items()}
    (entry,) = [key for key, value in form.items() if key.endswith(".Name") and value == "predictions"]
    rows = json.loads(form[entry.removesuffix("Name") + "Value.StringValue"])
    return frozenset(row.rpartition("/")[2].removesuffix(".json") for row in rows)


def owner_of(claim: Asked) -> str:
    """Who claims."""
    owner: str = json.loads(claim.body)["ExpressionAttributeValues"][":owner"]["S"]
    return owner


def _item(asked: Asked) -> str:
    item: str = json.loads(asked.body)["Key"]["id"]["S"]
    return item


def _set_aside(sent: dict[str, str]) -> frozenset[str]:
    """As the function knows it; of one that is no event, only the function knows by what."""
    if not sent["MessageBody"].startswith('{"dead_letter_count":'):
        return frozenset()
    what = f"{sent['QueueUrl']}\n{sent['MessageBody']}"
    return frozenset({ASIDE + hashlib.sha256(what.encode()).hexdigest()})
