"""How fast existing images are sent to the queue, beside a plain loop; bench/README.md says how to read it.

    .venv/bin/python -m bench.backfill

Both send the same objects of a bucket of the local AWS, in turn, round by round.
"""

import os
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from botocore.exceptions import ClientError
from rich.console import Console
from rich.progress import track
from rich.table import Table

from chalicelib.adapters.sqs import Queue
from chalicelib.domain.predictions import prediction_id
from chalicelib.domain.rows import day_prefix
from labelwatch.backfill.listing import Listing, Predictions
from labelwatch.backfill.send import Batch, Sender, batches, body_of
from labelwatch.local import ministack
from labelwatch.local.ministack import REGION, LocalAws
from labelwatch.shared.errors import UserError
from labelwatch.shared.s3_uri import S3Location

IN, OUT = "images", "predictions"
MODEL = "general"
EVERYTHING = S3Location(IN, "")
LOOP = "a loop: HeadObject of the row, SendMessage"
LISTED = "backfill: listed and counted"
SENT = "backfill: listed and sent"


class Bench:
    """So many objects, none of them predicted, and a queue."""

    def __init__(self, local_aws: LocalAws, objects: int) -> None:
        self._s3, self._sqs = local_aws.client("s3"), local_aws.client("sqs")
        self._objects = objects
        for bucket in (IN, OUT):
            self._s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        for number in range(objects):
            self._s3.put_object(Bucket=IN, Key=f"field 7/{number:06}.jpg", Body=b"leaf")
        self._url = self._sqs.create_queue(QueueName="images")["QueueUrl"]

    def rates(self) -> dict[str, float]:
        """Objects a second, each method once; raises UserError where a method misses an object."""
        methods = {LOOP: (self._loop, True), LISTED: (self._list, False), SENT: (self._send, True)}
        return {name: self._rate(method, sends=sends) for name, (method, sends) in methods.items()}

    def _rate(self, method: Callable[[], int], *, sends: bool) -> float:
        start = time.perf_counter()
        handled = method()
        seconds = time.perf_counter() - start
        names = ["ApproximateNumberOfMessages"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        self._sqs.purge_queue(QueueUrl=self._url)
        if (handled, int(attributes[names[0]])) != (self._objects, self._objects if sends else 0):
            raise UserError(
                f"{handled} of {self._objects} objects were handled; {attributes[names[0]]} are in the queue."
            )
        return self._objects / seconds

    def _loop(self) -> int:
        sent = 0
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=IN):
            for item in page["Contents"]:
                row = prediction_id(IN, item["Key"], item["ETag"].strip('"'), MODEL)
                try:
                    self._s3.head_object(Bucket=OUT, Key=f"{day_prefix(item['LastModified'])}{row}.json")
                except ClientError:
                    body = body_of(IN, item["Key"], item["LastModified"], notify=False, force=False)
                    self._sqs.send_message(QueueUrl=self._url, MessageBody=body)
                    sent += 1
        return sent

    def _list(self) -> int:
        return sum(len(page.to_send) for page in self._listing().after(""))

    def _send(self) -> int:
        sent = 0

        def count(batch: Batch) -> None:
            nonlocal sent
            sent += len(batch.keys)

        sender = Sender(Queue(self._sqs, self._url), IN, datetime.now(UTC), notify=False, force=False)
        sender.send((batch for page in self._listing().after("") for batch in batches(page)), count)
        return sent

    def _listing(self) -> Listing:
        return Listing(self._s3, EVERYTHING, Predictions(self._s3, OUT, MODEL))


def main(
    objects: Annotated[int, typer.Option(min=1, help="Number of objects.")] = 5000,
    rounds: Annotated[int, typer.Option(min=1, help="Number of measurements.")] = 3,
) -> None:
    """Prints objects a second, and their ratio within one run."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder, ministack.running(Path(folder), "http://127.0.0.1:9") as local_aws:
        bench = Bench(local_aws, objects)
        measured = [bench.rates() for _ in track(range(rounds), "rounds", console=console)]
    table = Table("", "objects a second: minimum / median / maximum", "by the loop")
    for name in measured[0]:
        ordered = sorted(rates[name] for rates in measured)
        ratio = median(rates[name] / rates[LOOP] for rates in measured)
        table.add_row(name, f"{ordered[0]:,.0f} / {median(ordered):,.0f} / {ordered[-1]:,.0f}", f"{ratio:.1f}")
    console.print(table)
    console.print(
        f"{objects} objects, {rounds} rounds, Python {platform.python_version()} on {platform.system()} "
        f"{platform.machine()} with {os.cpu_count()} processors, which the local AWS shares."
    )


if __name__ == "__main__":
    typer.run(main)
