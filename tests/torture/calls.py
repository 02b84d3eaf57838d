"""What a function asks of AWS, as the alerts see it: which call a request is, and which predictions it is about."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

from bench.counting import operation
from bench.passing import Asked

CLAIM, NOTE, RELEASE, PUBLISH = "dynamodb claim", "dynamodb note", "dynamodb release", "sns Publish"
SPLIT = "sqs SendMessageBatch of parts"


def name_of(asked: Asked) -> str:
    """`service Operation`; the writes to the table, and what goes back to the images queue, by what they are for."""
    name = operation(asked.method, asked.path, asked.headers, asked.body)
    if name == "sqs SendMessageBatch" and "ImagesQueue" in json.loads(asked.body)["QueueUrl"]:
        return SPLIT
    if name != "dynamodb UpdateItem":
        return name
    change = json.loads(asked.body)["UpdateExpression"]
    return CLAIM if "claimed_by" in change else NOTE if "told_at" in change else RELEASE


def predictions_of(asked: Asked, name: str) -> frozenset[str]:
    """The ids of the predictions that a publication tells of, or that a note is about; none of anything else."""
    if name == NOTE:
        return frozenset({json.loads(asked.body)["Key"]["id"]["S"]})
    if name != PUBLISH:
        return frozenset()
    form = {key: values[0] for key, values in parse_qs(asked.body.decode()).items()}
    (entry,) = [key for key, value in form.items() if key.endswith(".Name") and value == "predictions"]
    rows = json.loads(form[entry.removesuffix("Name") + "Value.StringValue"])
    return frozenset(row.rpartition("/")[2].removesuffix(".json") for row in rows)
