"""Dead letters on moto: each is seen once and given back, moved only when its queue took it, and never lost."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from chalicelib.adapters.sqs import DeadLetterQueue
from chalicelib.domain.errors import Fault, Rejected, Retryable
from chalicelib.steps.detect import encoded
from labelwatch.dead_letters import reader, redrive
from labelwatch.dead_letters.dead_letter import Box, Letter
from labelwatch.dead_letters.purged import MAX_ITEMS, Purged, PurgedImage
from labelwatch.dead_letters.reader import SECONDS_HELD, Held
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError
from tests.integration.conftest import TABLE
from tests.support import builders

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

DENIED = Retryable("AccessDeniedException", "no right to this model")
NO_IMAGE = Rejected("InvalidImageFormatException", "not a JPEG")
NAMES = ("ImagesDeadLetters", "ImagesQueue", "PredictionsDeadLetters", "PredictionsQueue")
IMAGE = builders.notification(builders.s3_record())
BROKEN = {"SenderFault": False, "Code": "InternalError", "Message": "try again"}


class Other:
    """An SQS that answers one operation otherwise: `answer` gets the call and the real operation."""

    def __init__(self, sqs: SQSClient, operation: str, answer: Callable[..., Any]) -> None:
        self._sqs, self._operation, self._answer = sqs, operation, answer

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._sqs, name)
        return (lambda **call: self._answer(real, **call)) if name == self._operation else real


def refuses(*bodies: str) -> Callable[..., Any]:
    """Takes all of a batch but these bodies."""

    def answer(real: Callable[..., Any], *, QueueUrl: str, Entries: list[dict[str, str]]) -> Any:  # noqa: N803 - AWS's
        good = [entry for entry in Entries if entry["MessageBody"] not in bodies]
        bad = [{"Id": entry["Id"], **BROKEN} for entry in Entries if entry not in good]
        return (real(QueueUrl=QueueUrl, Entries=good) if good else {}) | {"Failed": bad}

    return answer


def refuses_the_first(real: Callable[..., Any], *, QueueUrl: str, Entries: list[dict[str, str]]) -> Any:  # noqa: N803 - AWS's
    """Takes all of a batch but its first."""
    first, *others = Entries
    return (real(QueueUrl=QueueUrl, Entries=others) if others else {}) | {"Failed": [{"Id": first["Id"], **BROKEN}]}


class Place:
    """The four queues of a stack."""

    def __init__(self, sqs: SQSClient, dynamodb: DynamoDBClient) -> None:
        self.sqs, self.dynamodb = sqs, dynamodb
        self.purged = Purged(dynamodb, TABLE)
        self.urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in NAMES}
        self.boxes = [
            Box("images", self.urls["ImagesDeadLetters"], self.urls["ImagesQueue"]),
            Box("predictions", self.urls["PredictionsDeadLetters"], self.urls["PredictionsQueue"]),
        ]
        self.said: list[str] = []

    def set_aside(self, *bodies: str, queue: str = "ImagesDeadLetters", fault: Fault = DENIED) -> None:
        for body in bodies:
            DeadLetterQueue(self.sqs, self.urls[queue]).send(builders.message(body), fault, "s3://images/leaf.jpg")

    def held(self, sqs: Any = None, **options: Any) -> Held:
        held = Held(sqs or self.sqs, self.boxes, **options)
        held.read()
        return held

    def redrive(
        self, held: Held, *, left_out: list[Letter] | None = None, dry: bool = False, accepts: bool = True
    ) -> str:
        """What is said; a refusal is its last line."""
        return self._told(
            lambda terminal: redrive.redrive(held, held.letters, left_out or [], terminal, dry=dry), accepts=accepts
        )

    def purge(self, held: Held, *, dry: bool = False, accepts: bool = True) -> str:
        return self._told(
            lambda terminal: redrive.purge(held, held.letters, self.purged, terminal, dry=dry), accepts=accepts
        )

    def bodies(self, queue: str) -> list[str]:
        """Of what anybody can see in the queue now, in order."""
        return sorted(one["Body"] for one in self.messages(queue))

    def messages(self, queue: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while some := self.sqs.receive_message(
            QueueUrl=self.urls[queue], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            found += [dict(one) for one in some]
        return found

    def _told(self, do: Callable[[Terminal], None], *, accepts: bool) -> str:
        def answer(question: str) -> bool:
            self.said.append(question)
            return accepts

        console = Console(width=200)
        with console.capture() as capture:
            try:
                do(Terminal(console, answer))
            except UserError as told:
                console.print(str(told), soft_wrap=True, markup=False)
        return capture.get()


@pytest.fixture
def place(sqs: SQSClient, dynamodb: DynamoDBClient) -> Place:
    # Moto has one server: there is nothing to wait for.
    sqs.meta.events.register(
        "provide-client-params.sqs.ReceiveMessage", lambda params, **_: params | {"WaitTimeSeconds": 0}
    )
    return Place(sqs, dynamodb)


def ids(letters: list[Letter]) -> set[str]:
    return {one.id for one in letters}


def test_every_dead_letter_of_both_queues_is_seen_once(place: Place) -> None:
    place.set_aside(*(f"{number:02}" for number in range(23)))
    place.set_aside("p1", "p2", queue="PredictionsDeadLetters")
    held = place.held()
    assert sorted((one.box.name, one.body) for one in held.letters) == [
        *(("images", f"{number:02}") for number in range(23)),
        ("predictions", "p1"),
        ("predictions", "p2"),
    ]
    assert len(ids(held.letters)) == 25
    assert held.elsewhere == 0


def test_a_dead_letter_says_what_the_function_wrote_of_it(place: Place) -> None:
    place.set_aside("body", fault=NO_IMAGE)
    (one,) = place.held().letters
    assert (one.reason, one.detail, one.is_rejected) == ("InvalidImageFormatException", "not a JPEG", True)
    assert one.received == 1
    assert one.sent <= one.first_received


def test_a_retry_that_was_given_up_is_not_rejected(place: Place) -> None:
    place.set_aside("body", fault=DENIED)
    assert [one.is_rejected for one in place.held().letters] == [False]


def test_what_somebody_else_wrote_has_its_attributes_and_no_reason(place: Place) -> None:
    place.sqs.send_message(
        QueueUrl=place.urls["ImagesDeadLetters"],
        MessageBody="theirs",
        MessageAttributes={"picture": {"DataType": "Binary", "BinaryValue": b"\x00"}},
    )
    (one,) = place.held().letters
    assert (one.reason, one.said) == ("not recorded", {"picture": "(binary)"})


def test_they_come_in_the_order_in_which_they_were_sent(place: Place) -> None:
    place.set_aside("first", queue="PredictionsDeadLetters")
    time.sleep(0.01)
    place.set_aside("second")
    assert [one.body for one in place.held().letters] == ["first", "second"]


def test_sqs_may_count_fewer_than_were_seen(place: Place) -> None:
    place.set_aside("a")

    def nothing_yet(real: Callable[..., Any], **call: Any) -> Any:
        return {"Attributes": dict.fromkeys(real(**call)["Attributes"], "0")}

    assert place.held(Other(place.sqs, "get_queue_attributes", nothing_yet)).elsewhere == 0


def test_the_last_look_asks_every_server_of_sqs(place: Place) -> None:
    place.set_aside("a")
    waits: list[int] = []

    def answer(real: Callable[..., Any], **call: Any) -> Any:
        waits.append(call["WaitTimeSeconds"])
        return real(**call)

    place.held(Other(place.sqs, "receive_message", answer))
    assert waits == [0, 0, 1, 0, 1]


def test_while_they_are_held_nobody_else_sees_them(place: Place) -> None:
    place.set_aside("a", "b")
    place.held()
    assert place.bodies("ImagesDeadLetters") == []


def test_they_are_held_for_as_long_as_it_is_said(place: Place) -> None:
    asked: set[int] = set()

    def answer(real: Callable[..., Any], **call: Any) -> Any:
        asked.add(call["VisibilityTimeout"])
        return real(**call)

    place.held(Other(place.sqs, "receive_message", answer))
    assert asked == {SECONDS_HELD}


@pytest.mark.parametrize("queue", ["ImagesDeadLetters", "PredictionsDeadLetters"])
def test_what_somebody_else_holds_is_counted_and_not_seen(place: Place, queue: str) -> None:
    place.set_aside("a", "b")
    place.set_aside("p1", "p2", queue="PredictionsDeadLetters")
    place.sqs.receive_message(QueueUrl=place.urls[queue], MaxNumberOfMessages=1)
    held = place.held()
    assert (len(held.letters), held.elsewhere) == (3, 1)


def test_one_that_comes_twice_is_seen_once_and_goes_by_its_newest_receipt(place: Place) -> None:
    place.set_aside("a")
    receipts: list[str] = []

    def twice(real: Callable[..., Any], **call: Any) -> Any:
        # In sight again at once, for a queue may deliver again whatever it was told.
        answer = real(**call | {"VisibilityTimeout": 0 if len(receipts) < 2 else SECONDS_HELD})
        receipts.extend(one["ReceiptHandle"] for one in answer.get("Messages", []))
        return answer

    held = place.held(Other(place.sqs, "receive_message", twice))
    assert [one.receipt_handle for one in held.letters] == receipts[-1:]
    assert len(receipts) > 1


def test_no_more_are_held_than_sqs_lets_be_out_of_sight_and_the_rest_is_counted(place: Place) -> None:
    place.set_aside(*(f"{number:02}" for number in range(23)))
    place.set_aside("p1", queue="PredictionsDeadLetters")
    held = place.held(most=10)
    assert [one.box.name for one in held.letters].count("images") == 10
    assert (len(held.letters), held.elsewhere) == (11, 13)


@pytest.mark.parametrize("ending", [None, KeyboardInterrupt, RuntimeError])
def test_all_are_given_back_however_it_ends(place: Place, ending: type[BaseException] | None) -> None:
    place.set_aside(*(f"{number:02}" for number in range(23)))
    place.set_aside("p1", queue="PredictionsDeadLetters")
    with (
        pytest.raises(ending) if ending else nullcontext(),
        reader.held(place.sqs, place.boxes, place.said.append) as held,
    ):
        held.read()
        if ending:
            raise ending
    assert len(place.bodies("ImagesDeadLetters")) == 23
    assert place.bodies("PredictionsDeadLetters") == ["p1"]
    assert place.said == []


def test_all_are_given_back_where_the_reading_itself_ends(place: Place) -> None:
    place.set_aside("a", "b")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), reader.held(place.sqs, place.boxes, place.said.append) as held:
        held.read(stop)
    assert place.bodies("ImagesDeadLetters") == ["a", "b"]


def test_what_is_received_just_as_somebody_presses_ctrl_c_is_given_back(place: Place) -> None:
    place.set_aside("a", "b")

    def pressed(real: Callable[..., Any], **call: Any) -> Any:
        answer = real(**call)
        signal.raise_signal(signal.SIGINT)
        return answer

    with (
        pytest.raises(KeyboardInterrupt),
        reader.held(Other(place.sqs, "receive_message", pressed), place.boxes, place.said.append) as held,
    ):
        held.read()
    assert place.bodies("ImagesDeadLetters") == ["a", "b"]


def test_what_could_not_be_given_back_does_not_keep_the_others_and_is_told(place: Place) -> None:
    place.set_aside(*(f"{number:02}" for number in range(12)))
    with reader.held(place.sqs, place.boxes, place.said.append) as held:
        held.read()
        held.sqs = Other(held.sqs, "change_message_visibility_batch", refuses_the_first)
    assert len(place.bodies("ImagesDeadLetters")) == 10
    assert place.said == [
        "2 dead letters could not be given back (InternalError: try again): in sight again within 30 minutes."
    ]


def test_a_queue_that_does_not_answer_does_not_keep_those_of_the_other(place: Place) -> None:
    place.set_aside("a", "b")
    place.set_aside("p1", queue="PredictionsDeadLetters")
    with reader.held(place.sqs, place.boxes, place.said.append) as held:
        held.read()
        place.sqs.delete_queue(QueueUrl=place.urls["ImagesDeadLetters"])
    assert place.bodies("PredictionsDeadLetters") == ["p1"]
    assert [said[:41] for said in place.said] == ["2 dead letters could not be given back (A"]


def test_redriven_they_are_on_the_queue_that_they_came_from_and_dead_no_more(place: Place) -> None:
    place.set_aside(*(f"{number:02}" for number in range(12)))
    place.set_aside("p1", queue="PredictionsDeadLetters")
    said = place.redrive(place.held())
    assert place.said == ["Put 13 dead letters back where they came from?"]
    assert "Put back: 13 of 13 dead letters." in said
    assert place.bodies("ImagesQueue") == [f"{number:02}" for number in range(12)]
    assert place.bodies("PredictionsQueue") == ["p1"]
    assert place.held().letters == []


def test_redriven_a_message_has_no_word_of_why_it_was_dead(place: Place) -> None:
    place.set_aside("a")
    place.redrive(place.held())
    assert [one.get("MessageAttributes") for one in place.messages("ImagesQueue")] == [None]


def test_a_message_that_its_queue_did_not_take_stays_dead_and_running_it_again_goes_on(place: Place) -> None:
    place.set_aside("a", "b", "c")
    held = place.held(Other(place.sqs, "send_message_batch", refuses("b")))
    said = place.redrive(held)
    assert "Put back: 2 of 3 dead letters." in said
    assert said.rstrip().endswith("left as they were: 1 (InternalError: try again). Run it again to go on.")
    assert place.bodies("ImagesQueue") == ["a", "c"]
    held.give_back()
    place.redrive(place.held())
    assert place.bodies("ImagesQueue") == ["b"]


def test_nothing_is_deleted_where_the_queue_takes_nothing(place: Place) -> None:
    place.set_aside("a", "b")
    held = place.held()
    place.sqs.delete_queue(QueueUrl=place.urls["ImagesQueue"])
    assert "Put back: 0 of 2 dead letters." in place.redrive(held)
    held.give_back()
    assert place.bodies("ImagesDeadLetters") == ["a", "b"]


def test_one_that_was_taken_and_not_deleted_is_told_of_as_being_in_both_places(place: Place) -> None:
    place.set_aside("a", "b", "c")
    held = place.held(Other(place.sqs, "delete_message_batch", refuses_the_first))
    said = place.redrive(held)
    assert "Put back: 2 of 3 dead letters." in said
    assert "on their queue again, but not deleted here: 1 (InternalError: try again)." in said
    assert place.bodies("ImagesQueue") == ["a", "b", "c"]
    held.give_back()
    assert len(place.bodies("ImagesDeadLetters")) == 1


def test_where_the_time_is_over_no_more_are_moved_since_others_may_see_them(place: Place) -> None:
    place.set_aside(*(f"{number:02}" for number in range(12)))
    times = iter([0.0, SECONDS_HELD - 1.0, SECONDS_HELD + 0.0])
    said = place.redrive(place.held(clock=lambda: next(times)))
    assert "Put back: 10 of 12 dead letters." in said
    assert "not tried, since half an hour is over and others may see them: 2. Run it again to go on." in said
    assert len(place.bodies("ImagesQueue")) == 10


def test_what_is_left_out_is_told_with_its_reasons(place: Place) -> None:
    place.set_aside("x", "y", fault=NO_IMAGE)
    said = place.redrive(Held(place.sqs, []), left_out=place.held().letters)
    assert said.startswith("2 dead letters left out, rejected for good")
    assert "InvalidImageFormatException (2). --force moves them too." in said
    assert place.said == []


def test_a_dry_run_asks_nothing_and_moves_nothing(place: Place) -> None:
    place.set_aside("a")
    held = place.held()
    said = place.redrive(held, dry=True)
    assert "AccessDeniedException" in said
    assert "Nothing is moved: 1 dead letter would be." in said
    assert (place.said, place.bodies("ImagesQueue"), len(held.letters)) == ([], [], 1)


@pytest.mark.parametrize("do", [Place.redrive, Place.purge])
def test_without_a_yes_nothing_is_moved_or_deleted(place: Place, do: Callable[..., str]) -> None:
    place.set_aside("a")
    held = place.held()
    assert do(place, held, accepts=False).rstrip().endswith("nothing is created, changed or deleted.")
    held.give_back()
    assert (place.bodies("ImagesDeadLetters"), place.bodies("ImagesQueue")) == (["a"], [])


@pytest.mark.parametrize("do", [Place.redrive, Place.purge])
def test_where_there_is_nothing_nobody_is_asked(place: Place, do: Callable[..., str]) -> None:
    assert do(place, place.held()) == ""
    assert place.said == []


def test_purged_they_are_nowhere(place: Place) -> None:
    place.set_aside(*(f"{number:02}" for number in range(12)))
    held = place.held()
    said = place.purge(held)
    assert place.said == ["Delete 12 dead letters for good? The images stay."]
    assert "Deleted: 12 of 12 dead letters." in said
    assert held.give_back() == {}
    assert [place.bodies(queue) for queue in NAMES] == [[], [], [], []]


def test_the_images_of_what_is_purged_are_remembered_each_once(place: Place) -> None:
    names = [f"{number:02}.jpg" for number in range(MAX_ITEMS + 1)]
    place.set_aside(builders.notification(*map(builders.s3_record, names)), fault=NO_IMAGE)
    predicted = builders.prediction(image=builders.image("leaf.jpg", version_id=None))
    place.set_aside(*[encoded(predicted)] * 2, queue="PredictionsDeadLetters")
    place.set_aside("no image")
    place.purge(place.held())
    today = datetime.now(UTC).date()
    assert sorted(place.purged.all(), key=lambda one: one.key) == [
        *(PurgedImage("images", "images", name, "v1", "InvalidImageFormatException", today) for name in names),
        PurgedImage("predictions", "images", "leaf.jpg", None, "AccessDeniedException", today),
    ]


def test_an_upload_s_dead_letter_and_a_backfill_s_of_the_same_image_are_purged_together(place: Place) -> None:
    silent = builders.notification(builders.s3_record(labelwatch={"notify": False}))
    place.set_aside(IMAGE, silent)
    assert "Deleted: 2 of 2 dead letters." in place.purge(place.held())
    assert [one.key for one in place.purged.all()] == ["leaf.jpg"]


def test_what_cannot_be_remembered_is_not_deleted(place: Place) -> None:
    place.set_aside(IMAGE)
    place.purged = Purged(place.dynamodb, "no-such-table")
    held = place.held()
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        place.purge(held)
    held.give_back()
    assert place.bodies("ImagesDeadLetters") == [IMAGE]


def test_what_dynamodb_does_not_take_at_once_is_given_to_it_again(place: Place) -> None:
    place.set_aside(IMAGE)
    calls: list[int] = []

    def slow(**call: Any) -> Any:
        calls.append(1)
        return (
            {"UnprocessedItems": call["RequestItems"]} if len(calls) == 1 else place.dynamodb.batch_write_item(**call)
        )

    place.purged = Purged(SimpleNamespace(batch_write_item=slow), TABLE)
    place.purge(place.held())
    assert (len(calls), len(Purged(place.dynamodb, TABLE).all())) == (2, 1)


def test_a_dry_purge_only_says_what_would_be_deleted(place: Place) -> None:
    place.set_aside("a", "b")
    held = place.held()
    assert "Nothing is deleted: 2 dead letters would be. The images stay." in place.purge(held, dry=True)
    held.give_back()
    assert place.bodies("ImagesDeadLetters") == ["a", "b"]
    assert place.said == []


def test_one_that_could_not_be_deleted_is_told_of(place: Place) -> None:
    place.set_aside("a", "b")
    held = place.held(Other(place.sqs, "delete_message_batch", refuses_the_first))
    said = place.purge(held)
    assert "Deleted: 1 of 2 dead letters." in said
    assert "left as they were: 1 (InternalError: try again)." in said
