"""The queues on moto, which holds senders to SQS's limits; what it never answers comes from botocore's Stubber."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber
from msgspec.structs import replace

from chalicelib.adapters.sqs import LONGEST_DETAIL, MAX_BYTES, DeadLetterQueue, Queue
from chalicelib.domain.errors import Rejected, Retryable, Unavailable
from chalicelib.domain.messages import Message
from tests.support import builders

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

KIB = 1024
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
ACCEPTED = re.compile("[\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
BROKEN = {"SenderFault": False, "Code": "InternalError", "Message": "try again"}


@pytest.fixture
def url(sqs: SQSClient) -> str:
    return sqs.create_queue(QueueName="images")["QueueUrl"]


def message(handle: str = "handle", body: str = "body") -> Message:
    return replace(builders.message(body), receipt_handle=handle)


def calls(sqs: SQSClient, operation: str) -> list[list[dict[str, Any]]]:
    """Fills with the entries of each call of this batch operation from now on."""
    seen: list[list[dict[str, Any]]] = []

    def keep(params: dict[str, Any], **_: object) -> None:
        seen.append(params["Entries"])

    sqs.meta.events.register(f"provide-client-params.sqs.{operation}", keep)
    return seen


def received(sqs: SQSClient, url: str) -> list[MessageTypeDef]:
    """Everything that is visible in the queue."""
    found: list[MessageTypeDef] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get(
        "Messages"
    ):
        found += messages
    return found


def bodies_in(sqs: SQSClient, url: str) -> list[str]:
    return sorted(found["Body"] for found in received(sqs, url))


def attributes_of(sqs: SQSClient, url: str, reason: str = "R", detail: str = "d", image: str = "i") -> dict[str, str]:
    """The attributes of the dead letter that this fault makes."""
    DeadLetterQueue(sqs, url).send(message(), Rejected(reason, detail), image)
    (dead_letter,) = received(sqs, url)
    return {name: value["StringValue"] for name, value in dead_letter["MessageAttributes"].items()}


@contextmanager
def answering(sqs: SQSClient, operation: str, failed: Sequence[Sequence[int]]) -> Iterator[None]:
    """One answer of a batch operation for each list of failed indexes, and no call more or less than that."""
    with Stubber(sqs) as stub:
        for indexes in failed:
            entries = [{"Id": str(index), **BROKEN} for index in indexes]
            stub.add_response(operation, {"Successful": [], "Failed": entries})
        yield
        stub.assert_no_pending_responses()


def test_every_one_of_more_than_ten_bodies_arrives(sqs: SQSClient, url: str) -> None:
    bodies = [f"{number:02d}" for number in range(23)]
    assert Queue(sqs, url).send(bodies) == {}
    assert bodies_in(sqs, url) == bodies


def test_ten_messages_are_sent_in_one_call(sqs: SQSClient, url: str) -> None:
    sent = calls(sqs, "SendMessageBatch")
    Queue(sqs, url).send(["body"] * 23)
    assert [len(entries) for entries in sent] == [10, 10, 3]


def test_no_body_makes_no_call(sqs: SQSClient, url: str) -> None:
    sent = calls(sqs, "SendMessageBatch")
    Queue(sqs, url).send([])
    assert sent == []


@pytest.mark.parametrize(
    ("sizes", "in_a_call"),
    [
        ([256 * KIB] * 4, [4]),
        ([256 * KIB] * 3 + [256 * KIB + 1], [3, 1]),
        ([300 * KIB] * 7, [3, 3, 1]),
        ([KIB, MAX_BYTES, KIB], [1, 1, 1]),
    ],
)
def test_one_mebibyte_is_sent_in_one_call(sqs: SQSClient, url: str, sizes: list[int], in_a_call: list[int]) -> None:
    sent = calls(sqs, "SendMessageBatch")
    assert Queue(sqs, url).send(["x" * size for size in sizes]) == {}
    assert [len(entries) for entries in sent] == in_a_call


def test_a_body_over_one_mebibyte_is_rejected_by_its_index(sqs: SQSClient, url: str) -> None:
    faults = Queue(sqs, url).send(["before", "x" * (MAX_BYTES + 1), "after"])
    assert {index: (type(fault), fault.reason) for index, fault in faults.items()} == {1: (Rejected, "MessageTooLarge")}


def test_the_neighbours_of_a_body_over_one_mebibyte_are_sent(sqs: SQSClient, url: str) -> None:
    Queue(sqs, url).send(["before", "x" * (MAX_BYTES + 1), "after"])
    assert bodies_in(sqs, url) == ["after", "before"]


def test_only_a_body_that_failed_is_sent_once_more(sqs: SQSClient, url: str) -> None:
    sent = calls(sqs, "SendMessageBatch")
    with answering(sqs, "send_message_batch", [[1, 2], [2], []]):
        Queue(sqs, url).send(["a", "b", "c"])
    assert [[entry["MessageBody"] for entry in entries] for entries in sent] == [["a", "b", "c"], ["b", "c"], ["c"]]


def test_a_body_that_is_sent_at_the_second_attempt_is_no_fault(sqs: SQSClient, url: str) -> None:
    with answering(sqs, "send_message_batch", [[0], []]):
        assert Queue(sqs, url).send(["a", "b"]) == {}


def test_a_body_that_was_sent_before_a_call_failed_is_no_fault(sqs: SQSClient, url: str) -> None:
    with Stubber(sqs) as stub:
        stub.add_response("send_message_batch", {"Successful": [], "Failed": [{"Id": "1", **BROKEN}]})
        stub.add_client_error("send_message_batch", "InternalFailure", http_status_code=500)
        faults = Queue(sqs, url).send(["a", "b"])
    assert {index: fault.reason for index, fault in faults.items()} == {1: "InternalFailure"}


def test_a_body_that_is_never_sent_is_reported_by_its_index(sqs: SQSClient, url: str) -> None:
    with answering(sqs, "send_message_batch", [[1], [1], [1]]):
        faults = Queue(sqs, url).send(["a", "b", "c"])
    assert {index: (type(fault), fault.reason) for index, fault in faults.items()} == {
        1: (Unavailable, "InternalError")
    }


@pytest.mark.parametrize(
    ("code", "by_sender", "kind"),
    [("KmsThrottled", True, Unavailable), ("InternalError", False, Unavailable), ("AccessDenied", True, Retryable)],
)
def test_a_failure_of_sqs_itself_is_unavailable_and_one_of_the_sender_is_not(
    sqs: SQSClient,
    url: str,
    code: str,
    by_sender: bool,  # noqa: FBT001 - a parameter
    kind: type[Retryable],
) -> None:
    entry = {"Id": "0", "SenderFault": by_sender, "Code": code, "Message": "no"}
    with Stubber(sqs) as stub:
        for _ in range(3):
            stub.add_response("send_message_batch", {"Successful": [], "Failed": [entry]})
        faults = Queue(sqs, url).send(["a"])
    assert [type(fault) for fault in faults.values()] == [kind]


def test_a_call_that_fails_stops_no_other_and_only_the_client_repeats_it(sqs: SQSClient, url: str) -> None:
    sent = calls(sqs, "SendMessageBatch")
    with Stubber(sqs) as stub:
        stub.add_client_error("send_message_batch", "ServiceUnavailable", http_status_code=503)
        stub.add_response("send_message_batch", {"Successful": [], "Failed": []})
        faults = Queue(sqs, url).send(["body"] * 12)
    assert {index: fault.reason for index, fault in faults.items()} == dict.fromkeys(range(10), "ServiceUnavailable")
    assert [len(entries) for entries in sent] == [10, 2]


def test_a_queue_that_does_not_exist_is_a_fault_of_every_body(sqs: SQSClient, url: str) -> None:
    faults = Queue(sqs, url + "-missing").send(["body"] * 12)
    assert {index: type(fault) for index, fault in faults.items()} == dict.fromkeys(range(12), Retryable)


def test_more_than_ten_messages_are_deleted(sqs: SQSClient, url: str) -> None:
    Queue(sqs, url).send(["body"] * 23)
    Queue(sqs, url).delete([message(found["ReceiptHandle"]) for found in received(sqs, url)])
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])
    assert shown["Attributes"] == {"ApproximateNumberOfMessagesNotVisible": "0"}


def test_ten_messages_are_deleted_in_one_call(sqs: SQSClient, url: str) -> None:
    Queue(sqs, url).send(["body"] * 23)
    messages = [message(found["ReceiptHandle"]) for found in received(sqs, url)]
    deleted = calls(sqs, "DeleteMessageBatch")
    Queue(sqs, url).delete(messages)
    assert [len(entries) for entries in deleted] == [10, 10, 3]


def test_messages_that_are_still_there_are_retryable(sqs: SQSClient, url: str) -> None:
    with (
        answering(sqs, "delete_message_batch", [[0, 3]]),
        pytest.raises(Retryable, match=r"^InternalError: 2 messages"),
    ):
        Queue(sqs, url).delete([message()] * 5)


def test_a_message_that_was_not_deleted_stops_no_other_call(sqs: SQSClient, url: str) -> None:
    deleted = calls(sqs, "DeleteMessageBatch")
    with answering(sqs, "delete_message_batch", [[0], []]), pytest.raises(Retryable):
        Queue(sqs, url).delete([message()] * 12)
    assert [len(entries) for entries in deleted] == [10, 2]


def test_a_call_to_delete_that_fails_stops_no_other(sqs: SQSClient, url: str) -> None:
    deleted = calls(sqs, "DeleteMessageBatch")
    with Stubber(sqs) as stub:
        stub.add_client_error("delete_message_batch", "ServiceUnavailable")
        stub.add_response("delete_message_batch", {"Successful": [], "Failed": []})
        with pytest.raises(Retryable, match=r"^ServiceUnavailable: 10 messages"):
            Queue(sqs, url).delete([message()] * 12)
    assert [len(entries) for entries in deleted] == [10, 2]


def test_a_delayed_message_is_hidden_for_so_long(sqs: SQSClient, url: str) -> None:
    with Stubber(sqs) as stub:
        expected = {"QueueUrl": url, "ReceiptHandle": "handle", "VisibilityTimeout": 3600}
        stub.add_response("change_message_visibility", {}, expected)
        Queue(sqs, url).delay(message(), 3600)


def test_a_message_delayed_by_nothing_comes_back_at_once(sqs: SQSClient, url: str) -> None:
    Queue(sqs, url).send(["body"])
    (first,) = received(sqs, url)
    Queue(sqs, url).delay(message(first["ReceiptHandle"]), 0)
    assert [found["MessageId"] for found in received(sqs, url)] == [first["MessageId"]]


def test_a_delay_that_sqs_refuses_is_retryable(sqs: SQSClient, url: str) -> None:
    with pytest.raises(Retryable, match=r"^ReceiptHandleIsInvalid: "):
        Queue(sqs, url).delay(message("unknown"), 30)


def test_a_dead_letter_has_the_body_unchanged(sqs: SQSClient, url: str) -> None:
    body = '{"Records": [{"key": "b\\u00e4r"}]}'
    DeadLetterQueue(sqs, url).send(message(body=body), Rejected("EmptyImage", "zero bytes"), "s3://b/k")
    assert bodies_in(sqs, url) == [body]


def test_a_dead_letter_has_reason_detail_disposition_and_image(sqs: SQSClient, url: str) -> None:
    attributes = attributes_of(
        sqs, url, reason="EmptyImage", detail="the object has zero bytes", image="s3://leaves/a.jpg"
    )
    assert attributes == {
        "reason": "EmptyImage",
        "detail": "the object has zero bytes",
        "disposition": "reject",
        "image": "s3://leaves/a.jpg",
    }


def test_the_image_of_a_dead_letter_is_percent_encoded(sqs: SQSClient, url: str) -> None:
    attributes = attributes_of(sqs, url, image="s3://leaves/grün & alt/\x00\ufffe%1.jpg")
    assert attributes["image"] == "s3://leaves/gr%C3%BCn%20%26%20alt/%00%EF%BF%BE%251.jpg"


def test_the_detail_of_a_dead_letter_keeps_every_script(sqs: SQSClient, url: str) -> None:
    assert attributes_of(sqs, url, detail="Größe 葉 🍃 zu groß")["detail"] == "Größe 葉 🍃 zu groß"


@pytest.mark.parametrize("detail", ["a\x00b", "a\x1bb", "a\x7fb", "a\nb", "a\ufffeb", "a\uffffb", "a\ud800b"])
def test_a_character_that_sqs_refuses_is_a_blank_in_the_detail(sqs: SQSClient, url: str, detail: str) -> None:
    assert attributes_of(sqs, url, detail=detail)["detail"] == "a b"


def test_every_character_of_a_detail_is_one_that_sqs_takes(sqs: SQSClient, url: str) -> None:
    every = "".join(map(chr, range(0x10000)))
    queue = DeadLetterQueue(sqs, url)
    for start in range(0, len(every), LONGEST_DETAIL):
        queue.send(message(), Rejected("R", every[start : start + LONGEST_DETAIL]), "i")
    details = [found["MessageAttributes"]["detail"]["StringValue"] for found in received(sqs, url)]
    assert [detail for detail in details if not ACCEPTED.fullmatch(detail)] == []


def test_a_detail_is_no_longer_than_a_person_reads(sqs: SQSClient, url: str) -> None:
    assert len(attributes_of(sqs, url, detail="x" * 100_000)["detail"]) == LONGEST_DETAIL


def test_a_blank_attribute_is_unknown_since_sqs_takes_none(sqs: SQSClient, url: str) -> None:
    assert attributes_of(sqs, url, detail="", image="").items() >= {"detail": "unknown", "image": "unknown"}.items()


def test_a_dead_letter_that_was_not_sent_is_retryable(sqs: SQSClient, url: str) -> None:
    with pytest.raises(Retryable):
        DeadLetterQueue(sqs, url + "-missing").send(message(), Rejected("R", "d"), "i")


def test_messages_are_counted_whether_available_in_flight_or_delayed(sqs: SQSClient, url: str) -> None:
    queue = Queue(sqs, url)
    assert queue.waiting() == 0
    queue.send(["a", "b", "c"])
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1, VisibilityTimeout=60)
    sqs.send_message(QueueUrl=url, MessageBody="d", DelaySeconds=60)
    assert queue.waiting() == 4


def test_one_message_is_received_and_hidden_while_the_others_stay_visible(sqs: SQSClient, url: str) -> None:
    queue = Queue(sqs, url)
    queue.send(["a", "b"])
    first, second = queue.receive(60), queue.receive(60)
    assert first
    assert second
    assert {first.body, second.body} == {"a", "b"}
    assert (first.receives, first.sent.tzinfo) == (1, UTC)
    assert queue.receive(60) is None
    queue.delay(first, 0)
    queue.delete([second])
    released = queue.receive(60)
    assert released
    assert (released.id, released.receives, queue.waiting()) == (first.id, 2, 1)


def test_a_queue_that_cannot_be_read_is_a_fault(sqs: SQSClient, url: str) -> None:
    with pytest.raises(Retryable):
        Queue(sqs, f"{url}-deleted").receive(60)
