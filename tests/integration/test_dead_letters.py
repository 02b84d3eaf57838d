"""Dead letters on moto: each is received once and released, deleted only once its source queue has it, never lost."""

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

from chalicelib.adapters import sqs as sqs_adapter
from chalicelib.domain.errors import Fault, Rejected, Retryable
from chalicelib.steps.detect import encoded
from labelwatch.dead_letters import DeadLetter, DeadLetterQueue, PurgedImage, PurgedImages, receiving, redrive
from labelwatch.dead_letters.purged import MAX_ITEMS
from labelwatch.dead_letters.reader import OPTIONS, DeadLetterReader
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError
from tests.integration.conftest import TABLE
from tests.support import builders

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

DENIED = Retryable("AccessDeniedException", "no right to this model")
NOT_AN_IMAGE = Rejected("InvalidImageFormatException", "not a JPEG")
NAMES = ("ImagesDeadLetters", "ImagesQueue", "PredictionsDeadLetters", "PredictionsQueue")
IMAGE = builders.notification(builders.s3_record())
REFUSAL = {"SenderFault": False, "Code": "InternalError", "Message": "try again"}


class ChangedSqs:
    """An SQS with another answer to one operation: `answer` gets the real operation and the call."""

    def __init__(self, sqs: SQSClient | ChangedSqs, operation: str, answer: Callable[..., Any]) -> None:
        self._sqs, self._operation, self._answer = sqs, operation, answer

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._sqs, name)
        return (lambda **call: self._answer(real, **call)) if name == self._operation else real


def refusing(*bodies: str) -> Callable[..., Any]:
    """Takes all of a batch but these bodies."""

    def answer(real: Callable[..., Any], *, QueueUrl: str, Entries: list[dict[str, str]]) -> Any:  # noqa: N803 - AWS's
        good = [entry for entry in Entries if entry["MessageBody"] not in bodies]
        bad = [{"Id": entry["Id"], **REFUSAL} for entry in Entries if entry not in good]
        return (real(QueueUrl=QueueUrl, Entries=good) if good else {}) | {"Failed": bad}

    return answer


def refusing_the_first(real: Callable[..., Any], *, QueueUrl: str, Entries: list[dict[str, str]]) -> Any:  # noqa: N803 - AWS's
    """Takes all of a batch but its first."""
    first, *others = Entries
    return (real(QueueUrl=QueueUrl, Entries=others) if others else {}) | {"Failed": [{"Id": first["Id"], **REFUSAL}]}


class Stack:
    """The four queues of a stack."""

    def __init__(self, sqs: SQSClient, dynamodb: DynamoDBClient) -> None:
        self.sqs, self.dynamodb = sqs, dynamodb
        self.purged = PurgedImages(dynamodb, TABLE)
        self.urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in NAMES}
        self.queues = [
            DeadLetterQueue("images", self.urls["ImagesDeadLetters"], self.urls["ImagesQueue"]),
            DeadLetterQueue("predictions", self.urls["PredictionsDeadLetters"], self.urls["PredictionsQueue"]),
        ]
        self.questions: list[str] = []
        self.warnings: list[str] = []

    def add(self, *bodies: str, queue: str = "ImagesDeadLetters", fault: Fault = DENIED) -> None:
        for body in bodies:
            sqs_adapter.DeadLetterQueue(self.sqs, self.urls[queue]).send(
                builders.message(body), fault, "s3://images/leaf.jpg"
            )

    def received(self, sqs: Any = None, **options: Any) -> DeadLetterReader:
        reader = DeadLetterReader(sqs or self.sqs, self.queues, **options)
        reader.receive_all()
        return reader

    def redrive(
        self,
        reader: DeadLetterReader,
        *,
        rejected: list[DeadLetter] | None = None,
        dry_run: bool = False,
        accepts: bool = True,
    ) -> str:
        """The output, of which an error is the last line."""
        return self._output(
            lambda terminal: redrive.redrive(reader, reader.dead_letters, rejected or [], terminal, dry_run=dry_run),
            accepts=accepts,
        )

    def purge(self, reader: DeadLetterReader, *, dry_run: bool = False, accepts: bool = True) -> str:
        return self._output(
            lambda terminal: redrive.purge(reader, reader.dead_letters, self.purged, terminal, dry_run=dry_run),
            accepts=accepts,
        )

    def bodies(self, queue: str) -> list[str]:
        """The bodies of the messages that are visible in the queue now, in order."""
        return sorted(message["Body"] for message in self.messages(queue))

    def messages(self, queue: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while chunk := self.sqs.receive_message(
            QueueUrl=self.urls[queue], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            found += [dict(message) for message in chunk]
        return found

    def _output(self, command: Callable[[Terminal], None], *, accepts: bool) -> str:
        def answer(question: str) -> bool:
            self.questions.append(question)
            return accepts

        console = Console(width=200)
        with console.capture() as capture:
            try:
                command(Terminal(console, answer))
            except UserError as error:
                console.print(str(error), soft_wrap=True, markup=False)
        return capture.get()


@pytest.fixture
def stack(sqs: SQSClient, dynamodb: DynamoDBClient) -> Stack:
    # Moto has one server: there is nothing to wait for.
    sqs.meta.events.register(
        "provide-client-params.sqs.ReceiveMessage", lambda params, **_: params | {"WaitTimeSeconds": 0}
    )
    return Stack(sqs, dynamodb)


def test_every_dead_letter_of_both_queues_is_received_once(stack: Stack) -> None:
    stack.add(*(f"{number:02}" for number in range(23)))
    stack.add("p1", "p2", queue="PredictionsDeadLetters")
    reader = stack.received()
    assert sorted((dead_letter.queue.name, dead_letter.body) for dead_letter in reader.dead_letters) == [
        *(("images", f"{number:02}") for number in range(23)),
        ("predictions", "p1"),
        ("predictions", "p2"),
    ]
    assert len({dead_letter.id for dead_letter in reader.dead_letters}) == 25
    assert reader.hidden_by_others == 0


def test_a_dead_letter_has_the_reason_that_the_function_wrote(stack: Stack) -> None:
    stack.add("body", fault=NOT_AN_IMAGE)
    (dead_letter,) = stack.received().dead_letters
    assert (dead_letter.reason, dead_letter.detail, dead_letter.is_rejected) == (
        "InvalidImageFormatException",
        "not a JPEG",
        True,
    )
    assert dead_letter.receive_count == 1
    assert dead_letter.sent_at <= dead_letter.first_received_at


def test_a_dead_letter_after_the_last_retry_is_not_rejected(stack: Stack) -> None:
    stack.add("body", fault=DENIED)
    assert [dead_letter.is_rejected for dead_letter in stack.received().dead_letters] == [False]


def test_a_message_of_another_producer_has_its_attributes_and_no_reason(stack: Stack) -> None:
    stack.sqs.send_message(
        QueueUrl=stack.urls["ImagesDeadLetters"],
        MessageBody="theirs",
        MessageAttributes={"picture": {"DataType": "Binary", "BinaryValue": b"\x00"}},
    )
    (dead_letter,) = stack.received().dead_letters
    assert (dead_letter.reason, dead_letter.attributes) == ("not recorded", {"picture": "(binary)"})


def test_dead_letters_are_in_the_order_in_which_they_were_sent(stack: Stack) -> None:
    stack.add("first", queue="PredictionsDeadLetters")
    time.sleep(0.01)
    stack.add("second")
    assert [dead_letter.body for dead_letter in stack.received().dead_letters] == ["first", "second"]


def test_sqs_may_count_fewer_than_were_received(stack: Stack) -> None:
    stack.add("a")

    def nothing_yet(real: Callable[..., Any], **call: Any) -> Any:
        return {"Attributes": dict.fromkeys(real(**call)["Attributes"], "0")}

    assert stack.received(ChangedSqs(stack.sqs, "get_queue_attributes", nothing_yet)).hidden_by_others == 0


def test_the_last_receive_is_a_long_poll_of_every_server_of_sqs(stack: Stack) -> None:
    stack.add("a")
    waits: list[int] = []

    def answer(real: Callable[..., Any], **call: Any) -> Any:
        waits.append(call["WaitTimeSeconds"])
        return real(**call)

    stack.received(ChangedSqs(stack.sqs, "receive_message", answer))
    assert waits == [0, 0, 1, 0, 1]


def test_received_dead_letters_are_hidden_from_other_consumers(stack: Stack) -> None:
    stack.add("a", "b")
    stack.received()
    assert stack.bodies("ImagesDeadLetters") == []


def test_received_dead_letters_are_hidden_for_half_an_hour(stack: Stack) -> None:
    timeouts: set[int] = set()

    def answer(real: Callable[..., Any], **call: Any) -> Any:
        timeouts.add(call["VisibilityTimeout"])
        return real(**call)

    stack.received(ChangedSqs(stack.sqs, "receive_message", answer))
    assert timeouts == {1800}


@pytest.mark.parametrize("queue", ["ImagesDeadLetters", "PredictionsDeadLetters"])
def test_dead_letters_that_other_consumers_hide_are_counted(stack: Stack, queue: str) -> None:
    stack.add("a", "b")
    stack.add("p1", "p2", queue="PredictionsDeadLetters")
    stack.sqs.receive_message(QueueUrl=stack.urls[queue], MaxNumberOfMessages=1)
    reader = stack.received()
    assert (len(reader.dead_letters), reader.hidden_by_others) == (3, 1)


def test_a_repeated_message_is_one_dead_letter_that_is_deleted_by_its_newest_receipt(stack: Stack) -> None:
    stack.add("a")
    receipts: list[str] = []

    def repeat(real: Callable[..., Any], **call: Any) -> Any:
        # Visible at once, since a queue may repeat a message whatever its visibility timeout.
        answer = real(**call | {"VisibilityTimeout": 0 if len(receipts) < 2 else 1800})
        receipts.extend(message["ReceiptHandle"] for message in answer.get("Messages", []))
        return answer

    def delete(_: Callable[..., Any], *, QueueUrl: str, Entries: list[dict[str, str]]) -> Any:  # noqa: ARG001, N803 - AWS's
        deleted.extend(entry["ReceiptHandle"] for entry in Entries)
        return {}

    deleted: list[str] = []
    sqs = ChangedSqs(ChangedSqs(stack.sqs, "receive_message", repeat), "delete_message_batch", delete)
    reader = stack.received(sqs)
    assert reader.delete(reader.dead_letters) == {}
    assert deleted == receipts[-1:]
    assert len(receipts) > 1


def test_no_more_are_received_than_sqs_allows_in_flight_and_the_rest_is_counted(stack: Stack) -> None:
    stack.add(*(f"{number:02}" for number in range(23)))
    stack.add("p1", queue="PredictionsDeadLetters")
    reader = stack.received(options=OPTIONS._replace(limit=10))
    assert [dead_letter.queue.name for dead_letter in reader.dead_letters].count("images") == 10
    assert (len(reader.dead_letters), reader.hidden_by_others) == (11, 13)


@pytest.mark.parametrize("ending", [None, KeyboardInterrupt, RuntimeError])
def test_all_are_released_however_the_command_ends(stack: Stack, ending: type[BaseException] | None) -> None:
    stack.add(*(f"{number:02}" for number in range(23)))
    stack.add("p1", queue="PredictionsDeadLetters")
    with (
        pytest.raises(ending) if ending else nullcontext(),
        receiving(stack.sqs, stack.queues, stack.warnings.append) as reader,
    ):
        reader.receive_all()
        if ending:
            raise ending
    assert len(stack.bodies("ImagesDeadLetters")) == 23
    assert stack.bodies("PredictionsDeadLetters") == ["p1"]
    assert stack.warnings == []


def test_all_are_released_where_receiving_is_interrupted(stack: Stack) -> None:
    stack.add("a", "b")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), receiving(stack.sqs, stack.queues, stack.warnings.append) as reader:
        reader.receive_all(stop)
    assert stack.bodies("ImagesDeadLetters") == ["a", "b"]


def test_dead_letters_that_are_received_during_ctrl_c_are_released(stack: Stack) -> None:
    stack.add("a", "b")

    def pressed(real: Callable[..., Any], **call: Any) -> Any:
        answer = real(**call)
        signal.raise_signal(signal.SIGINT)
        return answer

    with (
        pytest.raises(KeyboardInterrupt),
        receiving(ChangedSqs(stack.sqs, "receive_message", pressed), stack.queues, stack.warnings.append) as reader,
    ):
        reader.receive_all()
    assert stack.bodies("ImagesDeadLetters") == ["a", "b"]


def test_a_dead_letter_that_cannot_be_released_does_not_keep_the_others_and_is_reported(stack: Stack) -> None:
    stack.add(*(f"{number:02}" for number in range(12)))
    sqs = ChangedSqs(stack.sqs, "change_message_visibility_batch", refusing_the_first)
    with receiving(sqs, stack.queues, stack.warnings.append) as reader:
        reader.receive_all()
    assert len(stack.bodies("ImagesDeadLetters")) == 10
    (warning,) = stack.warnings
    for part in ("2 dead letters", "InternalError: try again", "30 minutes"):
        assert part in warning


def test_a_queue_that_fails_does_not_keep_the_dead_letters_of_the_other(stack: Stack) -> None:
    stack.add("a", "b")
    stack.add("p1", queue="PredictionsDeadLetters")
    with receiving(stack.sqs, stack.queues, stack.warnings.append) as reader:
        reader.receive_all()
        stack.sqs.delete_queue(QueueUrl=stack.urls["ImagesDeadLetters"])
    assert stack.bodies("PredictionsDeadLetters") == ["p1"]
    assert ["2 dead letters" in warning for warning in stack.warnings] == [True]


def test_redriven_messages_are_on_their_source_queue_and_no_longer_dead_letters(stack: Stack) -> None:
    stack.add(*(f"{number:02}" for number in range(12)))
    stack.add("p1", queue="PredictionsDeadLetters")
    printed = stack.redrive(stack.received())
    assert ["13 dead letters" in question for question in stack.questions] == [True]
    assert "Redriven: 13 of 13" in printed
    assert stack.bodies("ImagesQueue") == [f"{number:02}" for number in range(12)]
    assert stack.bodies("PredictionsQueue") == ["p1"]
    assert stack.received().dead_letters == []


def test_a_redriven_message_has_no_attributes(stack: Stack) -> None:
    stack.add("a")
    stack.redrive(stack.received())
    assert [message.get("MessageAttributes") for message in stack.messages("ImagesQueue")] == [None]


def test_a_message_that_its_source_queue_refuses_stays_a_dead_letter_until_a_second_run(stack: Stack) -> None:
    stack.add("a", "b", "c")
    reader = stack.received(ChangedSqs(stack.sqs, "send_message_batch", refusing("b")))
    printed = stack.redrive(reader)
    assert "Redriven: 2 of 3" in printed
    assert "1 unchanged (InternalError: try again)" in printed
    assert stack.bodies("ImagesQueue") == ["a", "c"]
    reader.release()
    stack.redrive(stack.received())
    assert stack.bodies("ImagesQueue") == ["b"]


def test_nothing_is_deleted_where_the_source_queue_fails(stack: Stack) -> None:
    stack.add("a", "b")
    reader = stack.received()
    stack.sqs.delete_queue(QueueUrl=stack.urls["ImagesQueue"])
    assert "Redriven: 0 of 2" in stack.redrive(reader)
    reader.release()
    assert stack.bodies("ImagesDeadLetters") == ["a", "b"]


def test_a_message_that_was_sent_and_not_deleted_is_reported_as_in_both_queues(stack: Stack) -> None:
    stack.add("a", "b", "c")
    reader = stack.received(ChangedSqs(stack.sqs, "delete_message_batch", refusing_the_first))
    printed = stack.redrive(reader)
    assert "Redriven: 2 of 3" in printed
    assert "1 sent to the source queue" in printed
    assert "InternalError: try again" in printed
    assert stack.bodies("ImagesQueue") == ["a", "b", "c"]
    reader.release()
    assert len(stack.bodies("ImagesDeadLetters")) == 1


def test_after_half_an_hour_no_more_are_moved_since_other_consumers_may_receive_them(stack: Stack) -> None:
    stack.add(*(f"{number:02}" for number in range(12)))
    seconds = [0.0]

    def delete_slowly(real: Callable[..., Any], **call: Any) -> Any:
        seconds[0] = 1800
        return real(**call)

    sqs = ChangedSqs(stack.sqs, "delete_message_batch", delete_slowly)
    reader = stack.received(sqs, clock=lambda: seconds[0])
    seconds[0] = 1799
    printed = stack.redrive(reader)
    assert "Redriven: 10 of 12" in printed
    assert "2 not attempted" in printed
    assert len(stack.bodies("ImagesQueue")) == 10


def test_rejected_dead_letters_are_reported_with_their_reasons(stack: Stack) -> None:
    stack.add("x", "y", fault=NOT_AN_IMAGE)
    printed = stack.redrive(DeadLetterReader(stack.sqs, []), rejected=stack.received().dead_letters)
    assert printed.startswith("Skipped 2 dead letters")
    assert "--force" in printed
    assert "InvalidImageFormatException (2)" in printed
    assert stack.questions == []


def test_a_dry_run_moves_nothing_without_a_question(stack: Stack) -> None:
    stack.add("a")
    reader = stack.received()
    printed = stack.redrive(reader, dry_run=True)
    assert "AccessDeniedException" in printed
    assert "Dry run: 1 dead letter " in printed
    assert (stack.questions, stack.bodies("ImagesQueue"), len(reader.dead_letters)) == ([], [], 1)


@pytest.mark.parametrize("command", [Stack.redrive, Stack.purge])
def test_without_a_yes_nothing_is_moved_or_deleted(stack: Stack, command: Callable[..., str]) -> None:
    stack.add("a")
    reader = stack.received()
    assert command(stack, reader, accepts=False).rstrip().splitlines()[-1].startswith("Cancelled.")
    reader.release()
    assert (stack.bodies("ImagesDeadLetters"), stack.bodies("ImagesQueue")) == (["a"], [])


@pytest.mark.parametrize("command", [Stack.redrive, Stack.purge])
def test_without_dead_letters_there_is_no_question(stack: Stack, command: Callable[..., str]) -> None:
    assert command(stack, stack.received()) == ""
    assert stack.questions == []


def test_purged_dead_letters_are_on_no_queue(stack: Stack) -> None:
    stack.add(*(f"{number:02}" for number in range(12)))
    reader = stack.received()
    printed = stack.purge(reader)
    assert ["12 dead letters" in question for question in stack.questions] == [True]
    assert "Deleted: 12 of 12" in printed
    assert reader.release() == {}
    assert [stack.bodies(queue) for queue in NAMES] == [[], [], [], []]


def test_each_image_of_a_purged_dead_letter_is_recorded_once(stack: Stack) -> None:
    names = [f"{number:02}.jpg" for number in range(MAX_ITEMS + 1)]
    stack.add(builders.notification(*map(builders.s3_record, names)), fault=NOT_AN_IMAGE)
    predicted = builders.prediction(image=builders.image("leaf.jpg", version_id=None))
    stack.add(*[encoded(predicted)] * 2, queue="PredictionsDeadLetters")
    stack.add("no image")
    stack.purge(stack.received())
    today = datetime.now(UTC).date()
    assert sorted(stack.purged.all(), key=lambda purged: purged.key) == [
        *(PurgedImage("images", "images", name, "v1", "InvalidImageFormatException", today) for name in names),
        PurgedImage("predictions", "images", "leaf.jpg", None, "AccessDeniedException", today),
    ]


def test_an_upload_s_dead_letter_and_a_backfill_s_of_the_same_image_are_purged_together(stack: Stack) -> None:
    from_backfill = builders.notification(builders.s3_record(labelwatch={"notify": False}))
    stack.add(IMAGE, from_backfill)
    assert "Deleted: 2 of 2" in stack.purge(stack.received())
    assert [image.key for image in stack.purged.all()] == ["leaf.jpg"]


def test_a_dead_letter_that_cannot_be_recorded_is_not_deleted(stack: Stack) -> None:
    stack.add(IMAGE)
    stack.purged = PurgedImages(stack.dynamodb, "no-such-table")
    reader = stack.received()
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        stack.purge(reader)
    reader.release()
    assert stack.bodies("ImagesDeadLetters") == [IMAGE]


def test_unprocessed_items_are_written_in_another_call(stack: Stack) -> None:
    stack.add(IMAGE)
    calls: list[int] = []

    def slow(**call: Any) -> Any:
        calls.append(1)
        return (
            {"UnprocessedItems": call["RequestItems"]} if len(calls) == 1 else stack.dynamodb.batch_write_item(**call)
        )

    stack.purged = PurgedImages(SimpleNamespace(batch_write_item=slow), TABLE)
    stack.purge(stack.received())
    assert (len(calls), len(PurgedImages(stack.dynamodb, TABLE).all())) == (2, 1)


def test_a_dry_run_of_purge_deletes_nothing(stack: Stack) -> None:
    stack.add("a", "b")
    reader = stack.received()
    assert "Dry run: 2 dead letters " in stack.purge(reader, dry_run=True)
    reader.release()
    assert stack.bodies("ImagesDeadLetters") == ["a", "b"]
    assert stack.questions == []


def test_a_dead_letter_that_cannot_be_deleted_is_reported(stack: Stack) -> None:
    stack.add("a", "b")
    reader = stack.received(ChangedSqs(stack.sqs, "delete_message_batch", refusing_the_first))
    printed = stack.purge(reader)
    assert "Deleted: 1 of 2" in printed
    assert "1 unchanged (InternalError: try again)" in printed
