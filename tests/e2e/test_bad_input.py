"""Whatever S3 can hold and whatever a queue can bring, all at once and between good images: each meets its own fate."""

import json
import random
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
from labelwatch.local.outcomes import Watch
from labelwatch.local.session import INPUT_BUCKET, OUTPUT_BUCKET
from tests.support.builders import image, notification, prediction, s3_record
from tests.support.pipeline import Pipeline, functions, picture, set_mapping, set_way
from tests.support.sample_images import animated, claiming, cut, drawn, heavy, noise, of_16_bits, rotated

PREDICTED = "a prediction"
NOTHING = "nothing"
NO_IMAGE = "InvalidImageFormatException"
TOO_LARGE = "ImageTooLargeException"
NO_SIZE = "InvalidParameterException"
NO_EVENT = "NotAnS3Event"
NO_PREDICTION = "NotAPrediction"
MIB = 1024 * 1024

type Fates = dict[str, str]
type Objects = dict[str, tuple[bytes, str]]
type Bodies = dict[str, tuple[str, str]]


def formats() -> Objects:
    """What Rekognition takes, and what it does not: it looks at the bytes."""
    return {
        "jpeg.jpg": (drawn("JPEG"), PREDICTED),
        "jpeg, progressive.jpg": (drawn("JPEG", progressive=True), PREDICTED),
        "jpeg, grey.jpg": (drawn("JPEG", mode="L"), PREDICTED),
        "jpeg, CMYK.jpg": (drawn("JPEG", mode="CMYK"), PREDICTED),
        "jpeg, on its side.jpg": (rotated(), PREDICTED),
        "jpeg, of two pictures.jpg": (animated("MPO"), PREDICTED),
        "jpeg, with more after it.jpg": (drawn("JPEG") + b"more", PREDICTED),
        "png.png": (drawn("PNG"), PREDICTED),
        "png, of a palette.png": (drawn("PNG", mode="P"), PREDICTED),
        "png, black and white.png": (drawn("PNG", mode="1"), PREDICTED),
        "png, with transparency.png": (drawn("PNG", mode="RGBA"), PREDICTED),
        "png, of 16 bits.png": (of_16_bits(), PREDICTED),
        "png, animated.png": (animated("PNG"), PREDICTED),
        "gif.gif": (drawn("GIF"), NO_IMAGE),
        "gif, animated.gif": (animated("GIF"), NO_IMAGE),
        "webp.webp": (drawn("WEBP"), NO_IMAGE),
        "bmp.bmp": (drawn("BMP"), NO_IMAGE),
        "tiff.tif": (drawn("TIFF"), NO_IMAGE),
        "avif.avif": (drawn("AVIF"), NO_IMAGE),
        "jpeg 2000.jp2": (drawn("JPEG2000"), NO_IMAGE),
        "heic.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500), NO_IMAGE),
        "svg.svg": (b'<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96"/>', NO_IMAGE),
        "pdf.pdf": (b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n", NO_IMAGE),
        "text.txt": (b"Spray on Tuesday.", NO_IMAGE),
        "random.bin": (random.Random(0).randbytes(5000), NO_IMAGE),
        "one byte.jpg": (b"\xff", NO_IMAGE),
        "empty.jpg": (b"", "EmptyImage"),
        "png named as a jpeg.jpg": (drawn("PNG"), PREDICTED),
        "jpeg without an ending": (drawn("JPEG"), PREDICTED),
        "gif named as a jpeg.jpg": (drawn("GIF"), NO_IMAGE),
        "text named as a png.png": (b"Spray on Tuesday.", NO_IMAGE),
        "cut/jpeg's first bytes.jpg": (noise("JPEG")[:3], NO_IMAGE),
        "cut/tenth of a jpeg.jpg": (cut("JPEG", 0.1), NO_IMAGE),
        "cut/half a jpeg.jpg": (cut("JPEG", 0.5), NO_IMAGE),
        "cut/most of a jpeg.jpg": (cut("JPEG", 0.9), NO_IMAGE),
        "cut/png's first bytes.png": (noise("PNG")[:8], NO_IMAGE),
        "cut/tenth of a png.png": (cut("PNG", 0.1), NO_IMAGE),
        "cut/half a png.png": (cut("PNG", 0.5), NO_IMAGE),
        "cut/most of a png.png": (cut("PNG", 0.9), NO_IMAGE),
    }


def sizes() -> Objects:
    """In pixels and in bytes, at the limits and beyond them."""
    return {
        "64 x 64.png": (drawn("PNG", (64, 64)), PREDICTED),
        "63 x 64.png": (drawn("PNG", (63, 64)), NO_SIZE),
        "64 x 63.jpg": (drawn("JPEG", (64, 63)), NO_SIZE),
        "1 x 1.png": (drawn("PNG", (1, 1)), NO_SIZE),
        "4096 x 4096.png": (drawn("PNG", (4096, 4096)), PREDICTED),
        "4097 x 300.jpg": (drawn("JPEG", (4097, 300)), TOO_LARGE),
        "300 x 4097.png": (drawn("PNG", (300, 4097)), TOO_LARGE),
        "30000 x 30000, as it says.png": (claiming(30_000, 30_000), TOO_LARGE),
        "20 to 1.png": (drawn("PNG", (1280, 64)), PREDICTED),
        "1 to 20.png": (drawn("PNG", (64, 1280)), PREDICTED),
        "longer than 20 to 1.png": (drawn("PNG", (1281, 64)), NO_SIZE),
        "15 MiB.jpg": (heavy(), PREDICTED),
        "15 MiB and a byte.jpg": (heavy(15 * MIB + 1), "ImageTooLarge"),
    }


# Each of them is an image. A line feed is not among them: the local AWS's IAM has no pattern that holds for it.
KEYS = [
    "k" * 1024, "稲" * 341 + "k", "稲/葉.jpg", "é.jpg", "e\u0301.jpg", "\U0001f469\u200d\U0001f33e.jpg", "יונה.jpg",
    "\u202egpj.exe", "\ufeffbom.jpg", "\uffff.jpg", "\ufffd.jpg", "\U0010ffff.jpg", "\xa0hard blank.jpg", "\u2028.jpg",
    "a b.jpg", " in front", "behind ", "a+b.jpg", "+", "%", "%2B.jpg", "%252F.jpg", "100%.jpg", "%zz.jpg", "%00.jpg",
    "=a=b.jpg", "&a&.jpg", "?a#b;c,d.jpg", "a:b@c$d.jpg", "'\"`.jpg", "<>&amp;.jpg", "{[^|~]}.jpg", "*.jpg", "$(id)",
    "a//b.jpg", "//", "/in front.jpg", "behind with content/", "\\back\\slash.jpg", "s3://images/leaf.jpg",
    ".", "..", "./here.jpg", "../up.jpg", "a/../b.jpg", "null", "unknown",
    "tab\t.jpg", "return\r.jpg", "nul\0.jpg", "\x01\x1f.jpg", "\x7f\x80\x9f.jpg", "\x1b[31mred.jpg",
]  # fmt: skip


def foreign() -> Bodies:
    """What a queue can bring; each says its own name, so that it is known again."""

    def one(what: str, **changes: Any) -> str:
        return notification({"what": what} | s3_record(f"{what}.jpg", **changes))

    def other(what: str, **content: Any) -> str:
        return json.dumps({"what": what} | content)

    half = one("half a body")
    return {
        "a test event": (other("a test event", Service="Amazon S3", Event="s3:TestEvent"), NOTHING),
        "a removal": (one("a removal", eventName="ObjectRemoved:Delete"), NOTHING),
        "a delete marker": (one("a delete marker", eventName="ObjectRemoved:DeleteMarkerCreated"), NOTHING),
        "a restoration": (one("a restoration", eventName="ObjectRestore:Completed"), NOTHING),
        "an expiry": (one("an expiry", eventName="LifecycleExpiration:Delete"), NOTHING),
        "a transition": (one("a transition", eventName="LifecycleTransition"), NOTHING),
        "a tagging": (one("a tagging", eventName="ObjectTagging:Put"), NOTHING),
        "a replication": (one("a replication", eventName="Replication:OperationFailedReplication"), NOTHING),
        "a test of something else": (other("a test of something else", Event="x:TestEvent"), NO_EVENT),
        "another service": (one("another service", eventSource="aws:ses"), NO_EVENT),
        "of SNS": (other("of SNS", Type="Notification", Message=one("x"), TopicArn="arn:of:a:topic"), NO_EVENT),
        "of EventBridge": (other("of EventBridge", source="aws.s3", detail={"bucket": {"name": "b"}}), NO_EVENT),
        "no JSON": ("no JSON", NO_EVENT),
        "a string": ('"a string"', NO_EVENT),
        "a list": ('["a list"]', NO_EVENT),
        "no records": (other("no records"), NO_EVENT),
        "records of null": (other("records of null", Records=None), NO_EVENT),
        "records of text": (other("records of text", Records="text"), NO_EVENT),
        "an empty list of records": (other("an empty list of records", Records=[]), NO_EVENT),
        "a record of null": (other("a record of null", Records=[None]), NO_EVENT),
        "half a million records": (other("half a million records", Records=[1] * 340_000), NO_EVENT),
        "half a body": (half[: len(half) // 2], NO_EVENT),
        "two bodies": (one("two bodies") * 2, NO_EVENT),
        "a byte order mark": ("\ufeff" + one("a byte order mark"), NO_EVENT),
        "deep lists": ('{"what":"deep lists","Records":' + "[" * 100_000, NO_EVENT),
        "deep objects": (one("deep objects")[:-3] + ',"x":' + '{"x":' * 100_000, NO_EVENT),
        "an invalid escape": ('{"what":"an invalid escape","x":"\\q"}', NO_EVENT),
        "half a letter": ('{"Records":[{"what":"half a letter","eventSource":"\\ud800"}]}', NO_EVENT),
        "a member twice": (one("a member twice")[:-1] + ',"Records":7}', NO_EVENT),
        "long, with room for a reason": ("long, with room for a reason".ljust(MIB - 4096, "."), NO_EVENT),
        "no S3": (one("no S3", s3=None), NO_EVENT),
        "no bucket": (one("no bucket", s3={"object": {"key": "k"}}), NO_EVENT),
        "a bucket without a name": (one("a bucket without a name", bucket=""), NO_EVENT),
        "a name of no bucket": (one("a name of no bucket", bucket="no bucket/\n"), NO_EVENT),
        "a name without end": (one("a name without end", bucket="b" * 900_000), NO_EVENT),
        "a key of null": (one("a key of null", object={"key": None}), NO_EVENT),
        "an empty key": (one("an empty key", object={"key": ""}), NO_EVENT),
        "a key without end": (one("a key without end", object={"key": "k" * 900_000}), NO_EVENT),
        "a size of text": (one("a size of text", object={"size": "1024"}), NO_EVENT),
        "what was never there": (one("what was never there", bucket=INPUT_BUCKET), "ImageGone"),
        "an event of rows": (one("an event of rows", bucket=OUTPUT_BUCKET), "OwnBucket"),
    }  # fmt: skip


def foreign_predictions() -> Bodies:
    """The same on the predictions queue, where all of a batch are told of in one alert."""
    labels, name = (Label("leaf-smut", 97.0),), "of a bucket without end"
    forged = encoded(prediction(*labels, image=image(name, bucket="b" * 900_000)))
    named = encoded(prediction(*labels, key="half a prediction"))
    return {
        "no prediction": ("no prediction", NO_PREDICTION),
        "an event": (notification({"what": "an event"} | s3_record()), NO_PREDICTION),
        "half a prediction": (named[: len(named) // 2], NO_PREDICTION),
        "a deep prediction": ('{"image":{"key":"a deep prediction","x":' + "[" * 100_000, NO_PREDICTION),
        name: (forged, NO_PREDICTION),
    }


class Burst:
    """Objects and messages that come all at once, every third of them a good image."""

    def __init__(self, pipeline: Pipeline, name: str) -> None:
        self.pipeline = pipeline
        self.expected: dict[str, list[str]] = {}
        self.neighbours: list[str] = []
        self._name = name
        self._sqs = pipeline.session.local_aws.client("sqs")
        self._before = {one.id for one in self._dead_letters()}
        self._bodies: list[str] = []

    def upload(self, objects: Objects, **more: Any) -> None:
        for key, (content, fate) in objects.items():
            self.pipeline.upload(key, content=content, **more)
            self._expect(key, fate)

    def send(self, bodies: Bodies, queue: str = "ImagesQueueUrl") -> None:
        for name, (body, fate) in bodies.items():
            # Another body than that of any other burst: what says the same to the letter is a repeat of it.
            told = body.replace(name, f"{name}, {self._name}")
            self._sqs.send_message(QueueUrl=self.pipeline.outputs[queue], MessageBody=told)
            self._bodies.append(name)
            self._expect(name, fate)

    def try_all_but_once(self) -> None:
        """What is in the images queue now has its last try left."""
        url = self.pipeline.outputs["ImagesQueueUrl"]
        for _ in range(MAX_TRIES - 1):
            answer = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
            assert len(answer["Messages"]) == self.pipeline.waiting("ImagesQueueUrl")

    def wait(self) -> None:
        """Until nothing is on its way, or too long; without a look at the dead letters, which would hide them."""
        until = time.monotonic() + self.pipeline.patience
        while time.monotonic() < until and any(map(self.pipeline.waiting, ("ImagesQueueUrl", "PredictionsQueueUrl"))):
            time.sleep(0.1)

    @property
    def fates(self) -> dict[str, list[str]]:
        """What became of each by now, by its name; of what nobody sent, too."""
        found: dict[str, list[str]] = {name: [] for name in self.expected}
        for one in Watch(self.pipeline.session).new_predictions():
            if one.key in found:
                found[one.key].append(PREDICTED)
        for letter in self._dead_letters():
            if letter.id not in self._before:
                found.setdefault(self._name_of(letter), []).append(letter.reason)
        return found

    def _expect(self, name: str, fate: str) -> None:
        self.expected[name] = [] if fate == NOTHING else [fate]
        if len(self.expected) % 3 == 2:
            neighbour = f"{self._name}/neighbour {len(self.neighbours)}.jpg"
            self.neighbours.append(neighbour)
            self.upload({neighbour: (picture(), PREDICTED)})

    def _dead_letters(self) -> list[DeadLetter]:
        """All that there are, as soon as nobody else holds any."""
        until = time.monotonic() + self.pipeline.patience
        while time.monotonic() < until:
            reader = DeadLetterReader(self._sqs, dead_letter_queues(self.pipeline.outputs))
            reader.receive_all()
            reader.release()
            if not reader.hidden_by_others:
                return reader.dead_letters
        raise AssertionError("somebody else has received dead letters, and does not give them back")

    def _name_of(self, dead_letter: DeadLetter) -> str:
        named = [name for name in self._bodies if name in dead_letter.body]
        return (
            max(named, key=len)
            if named
            else unquote(dead_letter.attributes["image"]).removeprefix(f"s3://{INPUT_BUCKET}/")
        )


@contextmanager
def held_back(pipeline: Pipeline) -> Iterator[None]:
    """So that what comes meanwhile comes in full batches."""
    names = functions(pipeline.session)
    for name in ("Detect", "Notify"):
        set_mapping(pipeline.session, names[name], Enabled=False)
    yield
    for name in ("Notify", "Detect"):
        set_mapping(pipeline.session, names[name], Enabled=True)


def with_one_try_left(burst: Burst) -> None:
    """What is tried ten times, since time and repair may mend it, and is mended by neither here."""
    key_of_one_s_own = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    burst.upload({"encrypted with a key that nobody has.jpg": (picture(), "400")}, **key_of_one_s_own)
    burst.upload({"in an archive.jpg": (picture(), "InvalidS3ObjectException")}, StorageClass="GLACIER")
    others = notification({"what": "a bucket of others"} | s3_record(bucket="of-others"))
    burst.send({"a bucket of others": (others, "403")})
    burst.try_all_but_once()


def removed(burst: Burst) -> None:
    """Objects that are not there any more when somebody looks."""
    s3 = burst.pipeline.session.local_aws.client("s3")
    burst.upload(
        {"removed for good.jpg": (picture(), "ImageGone"), "behind a delete marker.jpg": (picture(), PREDICTED)}
    )
    (version,) = s3.list_object_versions(Bucket=INPUT_BUCKET, Prefix="removed for good.jpg")["Versions"]
    s3.delete_object(Bucket=INPUT_BUCKET, Key="removed for good.jpg", VersionId=version["VersionId"])
    s3.delete_object(Bucket=INPUT_BUCKET, Key="behind a delete marker.jpg")


def one_bad_of_three(burst: Burst) -> None:
    """In one body, between events that have come already."""
    good = [s3_record(key, bucket=INPUT_BUCKET, object={"versionId": None}) for key in burst.neighbours[:2]]
    burst.send({"one bad of three": (notification(good[0], {"what": "one bad of three"}, good[1]), NO_EVENT)})


def test_everything_at_once_meets_its_own_fate_and_takes_no_neighbour_with_it(pipeline: Pipeline) -> None:
    burst = Burst(pipeline, "everything")
    with held_back(pipeline):
        with_one_try_left(burst)
        burst.upload(formats(), ContentType="text/plain")
        burst.upload(sizes(), ContentType="image/jpeg")
        burst.upload({key: (picture(), PREDICTED) for key in KEYS})
        burst.upload({"a folder of the console/": (b"", NOTHING), "/": (b"", NOTHING)})
        burst.send(foreign())
        burst.send(foreign_predictions(), "PredictionsQueueUrl")
        removed(burst)
        one_bad_of_three(burst)
    burst.wait()
    assert burst.fates == burst.expected
    for key in burst.neighbours:
        pipeline.wait_for_alert(key)
        assert len(pipeline.alerts_of(key)) == 1


def test_where_a_batch_ends_with_a_raise_no_neighbour_is_taken_either(pipeline: Pipeline) -> None:
    burst = Burst(pipeline, "raising")
    set_way(pipeline.session, partial=False)
    try:
        with held_back(pipeline):
            burst.upload({f"raising/{key}": one for key, one in formats().items() if key.startswith("cut/")})
            burst.send({what: one for what, one in foreign().items() if what.startswith("records of")})
            burst.send(foreign_predictions(), "PredictionsQueueUrl")
            one_bad_of_three(burst)
            pipeline.local_model.answer_with("AccessDeniedException", times=8)  # what gets one makes its batch end so
        burst.wait()
        assert burst.fates == burst.expected
    finally:
        set_way(pipeline.session, partial=True)
