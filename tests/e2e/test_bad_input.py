"""Every kind of object and message, all at once and between good images: each has its own outcome."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from chalicelib.domain.predictions import Label
from chalicelib.queues.batch import MAX_TRIES
from chalicelib.steps.detect import encoded
from labelwatch.dead_letters import DeadLetter, dead_letter_queues
from labelwatch.dead_letters.reader import DeadLetterReader
from labelwatch.local.outcomes import OutcomeReader
from labelwatch.local.session import INPUT_BUCKET, OUTPUT_BUCKET
from tests.support.builders import image, notification, prediction, s3_record
from tests.support.pipeline import Pipeline, functions, picture, set_mapping, set_partial_batch_responses
from tests.support.sample_images import (
    noise,
    padded,
    plain,
    png_of_16_bits,
    truncated,
    with_header_size,
)

PREDICTION = "a prediction"
NOTHING = "nothing"
NO_IMAGE = "InvalidImageFormatException"
TOO_LARGE = "ImageTooLargeException"
NO_SIZE = "InvalidParameterException"
NO_EVENT = "NotAnS3Event"
NO_PREDICTION = "NotAPrediction"
MIB = 1024 * 1024

type Objects = dict[str, tuple[bytes, str]]
type Bodies = dict[str, tuple[str, str]]


def formats() -> Objects:
    """File formats that Rekognition accepts and others; the content counts, not the name.

    One of each outcome: tests/integration/test_local_model.py has all formats and sizes.
    """
    return {
        "jpeg.jpg": (plain("JPEG"), PREDICTION),
        "jpeg, CMYK.jpg": (plain("JPEG", mode="CMYK"), PREDICTION),
        "png.png": (plain("PNG"), PREDICTION),
        "png, of 16 bits.png": (png_of_16_bits(), PREDICTION),
        "gif.gif": (plain("GIF"), NO_IMAGE),
        "webp.webp": (plain("WEBP"), NO_IMAGE),
        "heic.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500), NO_IMAGE),
        "text.txt": (b"Spray on Tuesday.", NO_IMAGE),
        "empty.jpg": (b"", "EmptyImage"),
        "png named as a jpeg.jpg": (plain("PNG"), PREDICTION),
        "jpeg without an ending": (plain("JPEG"), PREDICTION),
        "text named as a png.png": (b"Spray on Tuesday.", NO_IMAGE),
        "truncated/jpeg's first bytes.jpg": (noise("JPEG")[:3], NO_IMAGE),
        "truncated/half a jpeg.jpg": (truncated("JPEG", 0.5), NO_IMAGE),
        "truncated/most of a png.png": (truncated("PNG", 0.9), NO_IMAGE),
    }


def sizes() -> Objects:
    """In pixels and in bytes, beyond the limits."""
    return {
        "64 x 63.jpg": (plain("JPEG", (64, 63)), NO_SIZE),
        "4097 x 300.jpg": (plain("JPEG", (4097, 300)), TOO_LARGE),
        "30000 x 30000, by its header.png": (with_header_size(30_000, 30_000), TOO_LARGE),
        "15 MiB.jpg": (padded(), PREDICTION),
        "15 MiB and a byte.jpg": (padded(15 * MIB + 1), "ImageTooLarge"),
    }


# Keys of images. None has a line feed, which no pattern of ministack's IAM matches.
KEYS = [
    "k" * 1024, "稲" * 341 + "k", "稲/葉.jpg", "é.jpg", "e\u0301.jpg", "\U0001f469\u200d\U0001f33e.jpg", "יונה.jpg",
    "\u202egpj.exe", "\ufeffbom.jpg", "\uffff.jpg", "\ufffd.jpg", "\U0010ffff.jpg", "\xa0hard blank.jpg", "\u2028.jpg",
    "a b.jpg", " in front", "behind ", "a+b.jpg", "+", "%", "%2B.jpg", "%252F.jpg", "100%.jpg", "%zz.jpg", "%00.jpg",
    "=a=b.jpg", "&a&.jpg", "?a#b;c,d.jpg", "a:b@c$d.jpg", "'\"`.jpg", "<>&amp;.jpg", "{[^|~]}.jpg", "*.jpg", "$(id)",
    "a//b.jpg", "//", "/in front.jpg", "behind with content/", "\\back\\slash.jpg", "s3://images/leaf.jpg",
    ".", "..", "./same.jpg", "../up.jpg", "a/../b.jpg", "null", "unknown",
    "tab\t.jpg", "return\r.jpg", "nul\0.jpg", "\x01\x1f.jpg", "\x7f\x80\x9f.jpg", "\x1b[31mred.jpg",
]  # fmt: skip


def foreign() -> Bodies:
    """Messages on the images queue; each has its name in its body, by which its dead letter is found.

    Of each kind that SQS, Lambda or S3 could treat differently; tests/unit/test_unprocessable_messages.py has them all.
    """

    def event(name: str, **changes: Any) -> str:
        return notification({"name": name} | s3_record(f"{name}.jpg", **changes))

    def other(name: str, **content: Any) -> str:
        return json.dumps({"name": name} | content)

    return {
        "a test event": (other("a test event", Service="Amazon S3", Event="s3:TestEvent"), NOTHING),
        "a removal": (event("a removal", eventName="ObjectRemoved:Delete"), NOTHING),
        "another service": (event("another service", eventSource="aws:ses"), NO_EVENT),
        "no JSON": ("no JSON", NO_EVENT),
        "records of null": (other("records of null", Records=None), NO_EVENT),
        "records of text": (other("records of text", Records="text"), NO_EVENT),
        "half a million records": (other("half a million records", Records=[1] * 340_000), NO_EVENT),
        "deep lists": ('{"name":"deep lists","Records":' + "[" * 100_000, NO_EVENT),
        "half a character": ('{"Records":[{"name":"half a character","eventSource":"\\ud800"}]}', NO_EVENT),
        "a repeated member": (event("a repeated member")[:-1] + ',"Records":7}', NO_EVENT),
        "long, with room for a reason": ("long, with room for a reason".ljust(MIB - 4096, "."), NO_EVENT),
        "a name without end": (event("a name without end", bucket="b" * 900_000), NO_EVENT),
        "a key without end": (event("a key without end", object={"key": "k" * 900_000}), NO_EVENT),
        "a missing object": (event("a missing object", bucket=INPUT_BUCKET), "ImageNotFound"),
        "an event of rows": (event("an event of rows", bucket=OUTPUT_BUCKET), "OwnBucket"),
    }  # fmt: skip


def foreign_predictions() -> Bodies:
    """Messages on the predictions queue, where one alert has all predictions of a batch."""
    labels, name = (Label("leaf-smut", 97.0),), "of a bucket without end"
    forged = encoded(prediction(*labels, image=image(name, bucket="b" * 900_000)))
    named = encoded(prediction(*labels, key="half a prediction"))
    return {
        "no prediction": ("no prediction", NO_PREDICTION),
        "an event": (notification({"name": "an event"} | s3_record()), NO_PREDICTION),
        "half a prediction": (named[: len(named) // 2], NO_PREDICTION),
        "a deep prediction": ('{"image":{"key":"a deep prediction","x":' + "[" * 100_000, NO_PREDICTION),
        name: (forged, NO_PREDICTION),
    }


class Burst:
    """Objects and messages that arrive all at once, every third of them a good image."""

    def __init__(self, pipeline: Pipeline, name: str) -> None:
        self.pipeline = pipeline
        self.expected: dict[str, list[str]] = {}
        self.neighbours: list[str] = []
        self._name = name
        self._sqs = pipeline.session.local_aws.client("sqs")
        self._before = {dead_letter.id for dead_letter in self._dead_letters()}
        self._bodies: list[str] = []

    def upload(self, objects: Objects, **more: Any) -> None:
        for key, (content, outcome) in objects.items():
            self.pipeline.upload(key, content=content, **more)
            self._expect(key, outcome)

    def send(self, bodies: Bodies, queue: str = "ImagesQueueUrl") -> None:
        for name, (body, outcome) in bodies.items():
            # Different from the body in any other burst: an identical body would be a repeated delivery.
            unique = body.replace(name, f"{name}, {self._name}")
            self._sqs.send_message(QueueUrl=self.pipeline.outputs[queue], MessageBody=unique)
            self._bodies.append(name)
            self._expect(name, outcome)

    def leave_one_try(self) -> None:
        """Receives the messages on the images queue until each has its last try left."""
        url = self.pipeline.outputs["ImagesQueueUrl"]
        for _ in range(MAX_TRIES - 1):
            answer = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
            assert len(answer["Messages"]) == self.pipeline.depth("ImagesQueueUrl")

    def wait(self) -> None:
        """Until both queues are empty, or the time is over; without reading dead letters, which would hide them."""
        until = time.monotonic() + self.pipeline.wait_seconds
        while time.monotonic() < until and any(map(self.pipeline.depth, ("ImagesQueueUrl", "PredictionsQueueUrl"))):
            time.sleep(0.1)

    @property
    def outcomes(self) -> dict[str, list[str]]:
        """The outcomes so far by name, unexpected dead letters included."""
        found: dict[str, list[str]] = {name: [] for name in self.expected}
        for outcome in OutcomeReader(self.pipeline.session).new_predictions():
            if outcome.key in found:
                found[outcome.key].append(PREDICTION)
        for dead_letter in self._dead_letters():
            if dead_letter.id not in self._before:
                found.setdefault(self._name_of(dead_letter), []).append(dead_letter.reason)
        return found

    def _expect(self, name: str, outcome: str) -> None:
        self.expected[name] = [] if outcome == NOTHING else [outcome]
        if len(self.expected) % 3 == 2:
            neighbour = f"{self._name}/neighbour {len(self.neighbours)}.jpg"
            self.neighbours.append(neighbour)
            self.upload({neighbour: (picture(), PREDICTION)})

    def _dead_letters(self) -> list[DeadLetter]:
        """All dead letters, as soon as none is received by another reader."""
        until = time.monotonic() + self.pipeline.wait_seconds
        while time.monotonic() < until:
            reader = DeadLetterReader(self._sqs, dead_letter_queues(self.pipeline.outputs))
            reader.receive_all()
            reader.release()
            if not reader.hidden_by_others:
                return reader.dead_letters
        raise AssertionError("another reader has received dead letters and does not return them")

    def _name_of(self, dead_letter: DeadLetter) -> str:
        names = [name for name in self._bodies if name in dead_letter.body]
        return (
            max(names, key=len)
            if names
            else unquote(dead_letter.attributes["image"]).removeprefix(f"s3://{INPUT_BUCKET}/")
        )


@contextmanager
def paused(pipeline: Pipeline) -> Iterator[None]:
    """Pauses polling, so that the messages that arrive meanwhile are received in full batches."""
    names = functions(pipeline.session)
    for name in ("Detect", "Notify"):
        set_mapping(pipeline.session, names[name], Enabled=False)
    yield
    for name in ("Notify", "Detect"):
        set_mapping(pipeline.session, names[name], Enabled=True)


def with_one_try_left(burst: Burst) -> None:
    """Failures that are retried, since they may end, and that do not end here."""
    customer_key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    burst.upload({"encrypted with a key that nobody has.jpg": (picture(), "400")}, **customer_key)
    burst.upload({"in an archive.jpg": (picture(), "InvalidS3ObjectException")}, StorageClass="GLACIER")
    others = notification({"name": "a bucket of others"} | s3_record(bucket="of-others"))
    burst.send({"a bucket of others": (others, "403")})
    burst.leave_one_try()


def removed(burst: Burst) -> None:
    """Objects that are deleted before `detect` reads them."""
    s3 = burst.pipeline.session.local_aws.client("s3")
    burst.upload(
        {"removed for good.jpg": (picture(), "ImageNotFound"), "behind a delete marker.jpg": (picture(), PREDICTION)}
    )
    (version,) = s3.list_object_versions(Bucket=INPUT_BUCKET, Prefix="removed for good.jpg")["Versions"]
    s3.delete_object(Bucket=INPUT_BUCKET, Key="removed for good.jpg", VersionId=version["VersionId"])
    s3.delete_object(Bucket=INPUT_BUCKET, Key="behind a delete marker.jpg")


def one_bad_of_three(burst: Burst) -> None:
    """In one body, between repeated events."""
    good = [s3_record(key, bucket=INPUT_BUCKET, object={"versionId": None}) for key in burst.neighbours[:2]]
    burst.send({"one bad of three": (notification(good[0], {"name": "one bad of three"}, good[1]), NO_EVENT)})


def test_everything_at_once_has_its_own_outcome_and_leaves_its_neighbours_alone(pipeline: Pipeline) -> None:
    burst = Burst(pipeline, "everything")
    with paused(pipeline):
        with_one_try_left(burst)
        burst.upload(formats(), ContentType="text/plain")
        burst.upload(sizes(), ContentType="image/jpeg")
        burst.upload({key: (picture(), PREDICTION) for key in KEYS})
        burst.upload({"a folder of the console/": (b"", NOTHING), "/": (b"", NOTHING)})
        burst.send(foreign())
        burst.send(foreign_predictions(), "PredictionsQueueUrl")
        removed(burst)
        one_bad_of_three(burst)
    burst.wait()
    assert burst.outcomes == burst.expected
    for key in burst.neighbours:
        pipeline.wait_for_alert(key)
        assert len(pipeline.alerts_of(key)) == 1


def test_a_batch_that_ends_with_an_exception_leaves_good_neighbours_alone(pipeline: Pipeline) -> None:
    burst = Burst(pipeline, "raising")
    set_partial_batch_responses(pipeline.session, enabled=False)
    try:
        with paused(pipeline):
            burst.upload(
                {f"raising/{key}": expected for key, expected in formats().items() if key.startswith("truncated/")}
            )
            burst.send({name: expected for name, expected in foreign().items() if name.startswith("records of")})
            burst.send(foreign_predictions(), "PredictionsQueueUrl")
            one_bad_of_three(burst)
            pipeline.local_model.fail_next("AccessDeniedException", times=8)  # each makes its batch raise
        burst.wait()
        assert burst.outcomes == burst.expected
    finally:
        set_partial_batch_responses(pipeline.session, enabled=True)
