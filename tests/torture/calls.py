"""What a function asks of AWS, as the torture sees it: which call a request is, and what it tells or notes as told."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

from bench.counting import operation
from bench.passing import Asked
from labelwatch.local.session import OUTPUT_BUCKET

CLAIM, NOTE, RELEASE, PUBLISH = "dynamodb claim alert", "dynamodb note alert", "dynamodb release alert", "sns Publish"
SPLIT = "sqs SendMessageBatch of parts"
HEAD_OF_ROWS = "s3 HeadObject of rows"
# What may be told once only, and what is written down of it afterwards.
TELLING, NOTING = {PUBLISH}, {NOTE}


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
    act = "claim" if "claimed_by" in change else "note" if "told_at" in change else "release"
    return f"dynamodb {act} {write['Key']['kind']['S']}"


def told_of(asked: Asked, name: str) -> frozenset[str]:
    """The ids of what is told by this call, or noted as told; none where it is another."""
    if name in NOTING:
        return frozenset({json.loads(asked.body)["Key"]["id"]["S"]})
    if name != PUBLISH:
        return frozenset()
    form = {key: values[0] for key, values in parse_qs(asked.body.decode()).items()}
    (entry,) = [key for key, value in form.items() if key.endswith(".Name") and value == "predictions"]
    rows = json.loads(form[entry.removesuffix("Name") + "Value.StringValue"])
    return frozenset(row.rpartition("/")[2].removesuffix(".json") for row in rows)
