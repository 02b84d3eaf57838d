"""The backfill on moto: pages, predicted images, messages that SQS refuses, and going on after a stop."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from chalicelib.adapters.s3 import ImageObjects
from chalicelib.domain import events, rows
from chalicelib.domain.images import ObjectCreated
from labelwatch.backfill.listing import Listing, Predictions
from labelwatch.backfill.run import Request, run
from labelwatch.shared.account import Account
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import CtrlCError, UserError
from labelwatch.shared.s3_uri import S3Location
from tests.integration.conftest import REGION
from tests.support import builders
from tests.support.builders import MODEL

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

IN, OUT = "leaves-in", "leaves-out"
EVERYTHING = S3Location(IN, "")
ODD_KEYS = ["a b+c.jpg", "100%25.jpg", "x%2Fy.jpg", "稲 田/葉.jpg", "tab\tand\nline\x01.jpg", "&<'\">.jpg", "a/"]


class Deployed:
    """CloudFormation with one stack: moto's cannot be imported without packages that nothing else needs."""

    def __init__(self, url: str) -> None:
        self.outputs = {
            "InputBucket": IN,
            "OutputBucket": OUT,
            "ImagesQueueUrl": url,
            "CustomModelARN": MODEL,
            "ModelAutoStart": "no",
            "ModelMaxHoursPerMonth": "0",
            "MaxImagesPerDay": "0",
            "DashboardUrl": "https://dashboard",
        }

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]
        return {"Stacks": [{"StackName": StackName, "StackStatus": "CREATE_COMPLETE", "Outputs": outputs}]}


class Models:
    """Rekognition with one model: moto's knows none."""

    def __init__(self) -> None:
        self.status = "RUNNING"
        self.forbidden = False

    def describe_projects(self, **_: object) -> dict[str, Any]:
        if self.forbidden:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeProjects")
        return {"ProjectDescriptions": [{"ProjectArn": "arn"}]}

    def get_paginator(self, _: str) -> Models:
        return self

    def paginate(self, **_: object) -> list[dict[str, Any]]:
        return [{"ProjectVersionDescriptions": [{"ProjectVersionArn": MODEL, "Status": self.status}]}]


class Crowded:
    """S3 with so many objects in any bucket: moto's would be slow."""

    def __init__(self, count: int) -> None:
        self.count = count

    def get_paginator(self, _: str) -> Crowded:
        return self

    def paginate(self, **_: object) -> list[dict[str, Any]]:
        return [{"Contents": [{"Key": "a.jpg", "ETag": "e", "LastModified": builders.NOW, "Size": 1}] * self.count}]


class Clients(Account):
    """An account with some other clients."""

    def __init__(self, **clients: Any) -> None:
        super().__init__()
        self.clients = clients

    def client(self, service: str, **options: Any) -> Any:
        return self.clients.get(service) or super().client(service, **options)


class Bench:
    """A stack with its buckets and its queue, and a person who answers."""

    def __init__(self, s3: S3Client, sqs: SQSClient, folder: Path) -> None:
        self.s3, self.sqs, self.folder = s3, sqs, folder
        for bucket in (IN, OUT):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.url = sqs.create_queue(QueueName="images", Attributes={"MessageRetentionPeriod": "1209600"})["QueueUrl"]
        self.deployed = Deployed(self.url)
        self.models = Models()
        self.account = Clients(cloudformation=self.deployed, rekognition=self.models)
        self.questions: list[str] = []
        self.output = io.StringIO()
        self.accepts = True

    def upload(self, *keys: str, content: bytes = b"leaf") -> None:
        for key in keys:
            self.s3.put_object(Bucket=IN, Key=key, Body=content)

    def predict(self, *keys: str, model: str = MODEL) -> None:
        """Stores rows of these images as they are now."""
        for key in keys:
            image = ImageObjects(self.s3).head(ObjectCreated(IN, key))
            row_key = rows.row_key(builders.prediction(image=image, model=model))
            self.s3.put_object(Bucket=OUT, Key=row_key, Body=b"{}\n")

    def run(self, target: S3Location = EVERYTHING, **options: Any) -> str:
        """Runs a backfill and gives its output."""
        self.output = io.StringIO()
        terminal = Terminal(Console(file=self.output, width=400, markup=False, highlight=False), self._agree)
        run(self.account, Request("labelwatch", target, **options), terminal, self.folder, lambda _: None)
        return self.output.getvalue()

    def received(self) -> list[ObjectCreated]:
        """Takes all from the queue, in the order of keys."""
        found: list[ObjectCreated] = []
        while chunk := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in chunk:
                found += filter(None, map(events.object_created, events.records(message["Body"])))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return sorted(found, key=lambda created: created.key)

    def keys_received(self) -> list[str]:
        return [created.key for created in self.received()]

    def _agree(self, question: str) -> bool:
        self.questions.append(question)
        return self.accepts


@pytest.fixture
def bench(s3: S3Client, sqs: SQSClient, tmp_path: Path) -> Bench:
    return Bench(s3, sqs, tmp_path / "bookmarks")


def counts_in(printed: str) -> dict[str, int]:
    """The numbers of objects, predicted objects and objects to send in the line of the target."""
    (line,) = (line for line in printed.splitlines() if line.startswith("s3://"))
    found = re.findall(r"(\d+) (?:already )?(object|predicted|to send)", line)
    return {name.replace("object", "objects"): int(number) for number, name in found}


def names(count: int) -> list[str]:
    return [f"{number:03}.jpg" for number in range(count)]


def with_pages_of(s3: S3Client, size: int) -> Callable[[], int]:
    """Makes S3 list so many objects in a call; returns a function that counts the calls."""
    listings = 0

    def shorten(params: dict[str, Any], **_: object) -> None:
        nonlocal listings
        listings += 1
        params["MaxKeys"] = size

    s3.meta.events.register("provide-client-params.s3.ListObjectsV2", shorten)
    return lambda: listings


def test_all_objects_are_sent_once_and_without_alerts(bench: Bench) -> None:
    bench.upload(*names(23))
    printed = bench.run()
    assert bench.received() == [ObjectCreated(IN, key, None, notify=False) for key in names(23)]
    assert counts_in(printed) == {"objects": 23, "predicted": 0, "to send": 23}
    assert "without alerts" in printed
    assert "https://dashboard" in printed


def test_keys_of_any_characters_are_kept(bench: Bench) -> None:
    bench.upload(*ODD_KEYS)
    bench.run()
    assert bench.keys_received() == sorted(ODD_KEYS)


def test_notify_sends_images_with_alerts(bench: Bench) -> None:
    bench.upload("leaf.jpg")
    assert "with alerts" in bench.run(notify=True)
    assert bench.received() == [ObjectCreated(IN, "leaf.jpg", None, notify=True)]


def test_folder_markers_are_left_out_and_nothing_else_is(bench: Bench) -> None:
    bench.upload("field/", "empty.jpg", content=b"")
    bench.upload("notes.txt", "leaf/")
    bench.run()
    assert bench.keys_received() == ["empty.jpg", "leaf/", "notes.txt"]


def test_a_prefix_selects_the_keys_that_begin_with_it(bench: Bench) -> None:
    bench.upload("a/1.jpg", "a+/2.jpg", "a+b/3.jpg", "b/4.jpg")
    printed = bench.run(S3Location(IN, "a+"))
    assert f"s3://{IN}/a+ (all keys" in printed
    assert counts_in(printed)["objects"] == 2
    assert bench.keys_received() == ["a+/2.jpg", "a+b/3.jpg"]


def test_a_prefix_that_ends_with_a_slash_needs_no_explanation(bench: Bench) -> None:
    bench.upload("a/1.jpg")
    assert f"s3://{IN}/a/: 1 object" in bench.run(S3Location(IN, "a/"))


def test_images_that_this_model_has_predicted_are_left_out(bench: Bench) -> None:
    bench.upload(*ODD_KEYS, *names(3))
    bench.predict(*ODD_KEYS, "001.jpg")
    assert counts_in(bench.run()) == {"objects": 10, "predicted": 8, "to send": 2}
    assert bench.keys_received() == ["000.jpg", "002.jpg"]


def test_images_that_another_model_has_predicted_or_that_were_replaced_since_are_sent(bench: Bench) -> None:
    bench.upload("other.jpg", "replaced.jpg")
    bench.predict("other.jpg", model="general")
    bench.predict("replaced.jpg")
    bench.upload("replaced.jpg", content=b"another leaf")
    bench.run()
    assert bench.keys_received() == ["other.jpg", "replaced.jpg"]


def test_of_a_bucket_with_versions_the_current_ones_count(bench: Bench) -> None:
    bench.s3.put_bucket_versioning(Bucket=IN, VersioningConfiguration={"Status": "Enabled"})
    bench.upload("replaced.jpg", "deleted.jpg", "predicted.jpg", content=b"older")
    bench.upload("replaced.jpg", "predicted.jpg")
    bench.s3.delete_object(Bucket=IN, Key="deleted.jpg")
    bench.predict("predicted.jpg")
    bench.run()
    assert bench.keys_received() == ["replaced.jpg"]


@pytest.mark.parametrize(
    # Moto's objects are of today, and with -1 day today is as old as no parameter allows.
    ("prediction_days", "force", "sent"),
    [("0", False, 2), ("1", False, 2), ("-1", False, 0), ("-1", True, 2)],
)
def test_images_whose_prediction_may_have_expired_are_sent_with_force_alone(
    bench: Bench, prediction_days: str, *, force: bool, sent: int
) -> None:
    bench.deployed.outputs["PredictionDays"] = prediction_days
    bench.upload(*names(2))
    printed = bench.run(force=force)
    assert len(bench.keys_received()) == sent
    assert ("--force" in printed) is (prediction_days != "0" and not force)


def test_force_leaves_nothing_out(bench: Bench) -> None:
    bench.upload(*names(2))
    bench.predict(*names(2))
    assert counts_in(bench.run(force=True)) == {"objects": 2, "to send": 2}
    assert bench.keys_received() == names(2)


def test_where_all_is_predicted_nothing_is_sent_and_there_is_no_question(bench: Bench) -> None:
    bench.upload("leaf.jpg")
    bench.predict("leaf.jpg")
    bench.run()
    assert (bench.questions, bench.received()) == ([], [])


def test_a_dry_run_prints_counts_and_costs_and_sends_nothing(bench: Bench) -> None:
    bench.upload(*names(3))
    bench.predict("000.jpg")
    printed = bench.run(dry_run=True, units=2)
    assert counts_in(printed) == {"objects": 3, "predicted": 1, "to send": 2}
    assert "2 inference units, under 0.01 USD" in printed
    assert "Dry run: 2 images " in printed
    assert (bench.questions, bench.received(), bench.folder.exists()) == ([], [], False)


def test_without_agreement_nothing_is_sent(bench: Bench) -> None:
    bench.upload("leaf.jpg")
    bench.accepts = False
    with pytest.raises(UserError, match=r"^Cancelled\."):
        bench.run()
    assert (bench.questions, bench.received()) == (["Send 1 image?"], [])


def test_a_backfill_that_takes_longer_than_the_retention_of_the_queue_is_refused(bench: Bench) -> None:
    bench.account.clients["s3"] = Crowded(241)  # a minute of work, and a second
    bench.sqs.set_queue_attributes(QueueUrl=bench.url, Attributes={"MessageRetentionPeriod": "60"})
    with pytest.raises(UserError, match=r"retention.*--units"):
        bench.run(force=True)
    assert (bench.questions, bench.received()) == ([], [])
    assert counts_in(bench.run(force=True, units=2, dry_run=True))["to send"] == 241


def test_a_bucket_that_the_stack_may_not_read_is_refused(bench: Bench) -> None:
    with pytest.raises(UserError, match=f"another, only to {IN}"):
        bench.run(S3Location("another", ""))


def test_a_target_without_objects_is_refused(bench: Bench) -> None:
    bench.upload("a.jpg")
    with pytest.raises(UserError, match=rf"s3://{IN}/b/\."):
        bench.run(S3Location(IN, "b/"))


def test_messages_that_wait_on_the_queue_are_counted_before_the_question(bench: Bench) -> None:
    bench.upload("a.jpg")
    assert "already queued" not in bench.run()
    assert "1 message already queued" in bench.run(dry_run=True)


@pytest.mark.parametrize(
    ("status", "auto_start", "next_step"),
    [
        ("RUNNING", "no", None),
        ("STARTING", "no", None),
        ("STOPPED", "no", "labelwatch model start"),
        ("STOPPED", "yes", "ModelAutoStart"),
        ("FAILED", "yes", "labelwatch model start"),
    ],
)
def test_the_model_s_status_is_printed_before_the_question(
    bench: Bench, status: str, auto_start: str, next_step: str | None
) -> None:
    bench.upload("a.jpg")
    bench.models.status, bench.deployed.outputs["ModelAutoStart"] = status, auto_start
    (line,) = (line for line in bench.run().splitlines() if line.startswith(f"Model: {status}"))
    assert [step for step in ("labelwatch model start", "ModelAutoStart") if step in line] == list(
        filter(None, [next_step])
    )


@pytest.mark.parametrize(
    ("auto_start", "most_hours", "images", "printed"),
    [
        ("yes", "1", 4 * 3600 + 1, True),  # two units would do in an hour, but Labelwatch starts one
        ("yes", "1", 4 * 3600, False),
        ("yes", "0", 4 * 3600 + 1, False),
        ("no", "1", 4 * 3600 + 1, False),
    ],
)
def test_a_monthly_limit_that_ends_before_the_backfill_is_printed(
    bench: Bench,
    auto_start: str,
    most_hours: str,
    images: int,
    printed: bool,  # noqa: FBT001 - a case
) -> None:
    bench.account.clients["s3"] = Crowded(images)
    bench.deployed.outputs |= {"ModelAutoStart": auto_start, "ModelMaxHoursPerMonth": most_hours}
    shown = bench.run(force=True, dry_run=True, units=2)
    assert ("1 hour per month (ModelMaxHoursPerMonth)" in shown) is printed
    assert ("`labelwatch model start --units 2`" in shown) is printed


@pytest.mark.parametrize(("images", "days"), [(1000, None), (1001, "2 days"), (14_000, "14 days")])
def test_the_days_that_a_limit_of_images_spreads_the_backfill_over_are_printed(
    bench: Bench, images: int, days: str | None
) -> None:
    bench.account.clients["s3"] = Crowded(images)
    bench.deployed.outputs["MaxImagesPerDay"] = "1000"
    shown = bench.run(force=True, dry_run=True)
    assert ("MaxImagesPerDay" in shown) is (days is not None)
    assert (days or "") in shown


def test_images_that_a_limit_of_images_would_keep_waiting_until_sqs_deletes_them_are_not_sent(bench: Bench) -> None:
    bench.account.clients["s3"] = Crowded(16_001)
    bench.deployed.outputs["MaxImagesPerDay"] = "1000"
    with pytest.raises(UserError, match="MaxImagesPerDay"):
        bench.run(force=True, dry_run=True)


def test_a_person_who_may_not_read_the_model_s_status_may_send_images_all_the_same(bench: Bench) -> None:
    bench.upload("a.jpg")
    bench.models.forbidden = True
    assert "Model: unknown (AccessDeniedException)" in bench.run()
    assert bench.keys_received() == ["a.jpg"]


@pytest.mark.parametrize(
    "missing",
    [
        "InputBucket",
        "OutputBucket",
        "ImagesQueueUrl",
        "CustomModelARN",
        "ModelAutoStart",
        "ModelMaxHoursPerMonth",
        "MaxImagesPerDay",
        "DashboardUrl",
    ],
)
def test_a_stack_of_something_else_is_refused(bench: Bench, missing: str) -> None:
    del bench.deployed.outputs[missing]
    with pytest.raises(UserError, match=missing):
        bench.run()


class Refusing:
    """A client of SQS that refuses the message with this key in it while `on`."""

    def __init__(self, client: SQSClient, part: str) -> None:
        self._client = client
        self._part = part
        self.on = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's
        refused = [entry for entry in Entries if self.on and self._part in entry["MessageBody"]]
        accepted = [entry for entry in Entries if entry not in refused]
        if accepted:
            self._client.send_message_batch(QueueUrl=QueueUrl, Entries=accepted)  # type: ignore[arg-type]
        failed = [
            {"Id": entry["Id"], "SenderFault": False, "Code": "InternalError", "Message": "no"} for entry in refused
        ]
        return {"Failed": failed}


def test_a_refused_message_is_named_and_the_same_command_goes_on_before_it(bench: Bench) -> None:
    bench.upload(*names(23))
    refusing = bench.account.clients["sqs"] = Refusing(bench.sqs, "013.jpg")
    with pytest.raises(UserError, match="1 image"):
        bench.run()
    assert "'013.jpg': InternalError: no" in bench.output.getvalue()
    assert "013.jpg" not in bench.keys_received()
    refusing.on = False
    assert "after '009.jpg'" in bench.run()
    assert bench.keys_received() == names(23)[10:]


@pytest.fixture
def stopped(bench: Bench) -> Bench:
    """A backfill of 23 images that Ctrl-C stopped after ten."""
    bench.upload(*names(23))
    listings = with_pages_of(bench.s3, 10)

    def press(**_: object) -> None:
        if listings() == 6:  # three pages and a day to count, one page sent, and the next
            raise KeyboardInterrupt

    bench.s3.meta.events.register("before-call.s3.ListObjectsV2", press)
    bench.account.clients["s3"] = bench.s3
    with pytest.raises(CtrlCError, match="10 of 23 images"):
        bench.run()
    assert bench.keys_received() == names(10)
    return bench


def test_after_a_stop_the_same_command_sends_the_rest_and_leaves_nothing_behind(stopped: Bench) -> None:
    printed = stopped.run()
    assert "after '009.jpg'" in printed
    assert counts_in(printed) == {"objects": 13, "predicted": 0, "to send": 13}
    assert stopped.keys_received() == names(23)[10:]
    assert list(stopped.folder.iterdir()) == []


def test_another_command_does_not_go_on_where_this_one_was_stopped(stopped: Bench) -> None:
    stopped.run(notify=True)
    assert stopped.keys_received() == names(23)


def test_a_dry_run_does_not_move_the_bookmark(stopped: Bench) -> None:
    for _ in range(2):
        assert "after '009.jpg'" in stopped.run(dry_run=True)


def test_a_dry_run_does_not_remove_the_bookmark_where_nothing_is_left_to_send(stopped: Bench) -> None:
    stopped.predict(*names(23))
    for _ in range(2):
        assert "0 to send" in stopped.run(dry_run=True)
        assert "after '009.jpg'" in stopped.output.getvalue()


def test_a_listing_of_many_pages_is_whole_and_in_order(bench: Bench) -> None:
    bench.upload(*names(23))
    listings = with_pages_of(bench.s3, 7)
    pages = list(Listing(bench.s3, EVERYTHING, None).after("001.jpg"))
    assert [listed.key for page in pages for listed in page.to_send] == names(23)[2:]
    assert (len(pages), listings()) == (3, 3)


def test_the_predictions_of_a_day_are_listed_once_and_no_image_has_a_request_of_its_own(bench: Bench) -> None:
    bench.upload(*names(23))
    bench.predict(*names(20))
    calls: list[str] = []
    bench.s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    with_pages_of(bench.s3, 10)
    pages = list(Listing(bench.s3, EVERYTHING, Predictions(bench.s3, OUT, MODEL)).after(""))
    assert [listed.key for page in pages for listed in page.to_send] == names(23)[20:]
    assert calls == ["ListObjectsV2"] * (3 + 2)  # of the images, and of the day's rows
