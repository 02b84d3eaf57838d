"""Dead letters: their images, their selection, and how they are shown."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.errors import Disposition
from chalicelib.steps.detect import encoded
from labelwatch.dead_letters import advice, output, selection
from labelwatch.dead_letters.dead_letter import (
    NOT_RECORDED,
    OUTPUTS,
    DeadLetter,
    DeadLetterQueue,
    dead_letter_queues,
)
from labelwatch.dead_letters.selection import Filter
from labelwatch.shared.errors import UserError
from tests.support.builders import notification, prediction, s3_record
from tests.support.terminal import printed

PROJECT = Path(__file__).parents[2]
IMAGES = DeadLetterQueue("images", "https://dead/images", "https://images")
PREDICTIONS = DeadLetterQueue("predictions", "https://dead/predictions", "https://predictions")
SYSTEM_ATTRIBUTES = {
    "SentTimestamp": "1795341600123",
    "ApproximateFirstReceiveTimestamp": "1795341660000",
    "ApproximateReceiveCount": "3",
}


def dead_letter(key: str = "leaf.jpg", reason: str | None = "AccessDeniedException", **changes: Any) -> DeadLetter:
    """A dead letter of the images queue after its last retry; without a reason SQS's own redrive policy moved it."""
    attributes = {"reason": reason, "detail": "in AWS's words", "disposition": Disposition.RETRY} if reason else {}
    fields: dict[str, Any] = {
        "queue": IMAGES,
        "id": "6b0e71bd-7e97-4d97-80ce-4a0994e55286",
        "body": notification(s3_record(key)),
        "attributes": attributes | changes.pop("attributes", {}),
        "system_attributes": SYSTEM_ATTRIBUTES,
    }
    return DeadLetter(**fields | changes)


def rejected(key: str = "notes.jpg", reason: str = "InvalidImageFormatException") -> DeadLetter:
    return dead_letter(key, reason, attributes={"disposition": Disposition.REJECT})


def keys(dead_letter: DeadLetter) -> list[str]:
    return [image.key for image in dead_letter.images]


def test_the_key_of_an_image_is_decoded_once() -> None:
    assert keys(dead_letter("field 7/a+b%2Fc 葉.jpg")) == ["field 7/a+b%2Fc 葉.jpg"]


def test_a_batch_notification_names_each_of_its_images_and_nothing_else() -> None:
    removed = s3_record("removed.jpg", eventName="ObjectRemoved:Delete")
    body = notification(s3_record("1.jpg"), {"eventSource": "aws:ses"}, removed, s3_record("2.jpg"))
    assert keys(dead_letter(body=body)) == ["1.jpg", "2.jpg"]


def test_a_dead_letter_of_the_predictions_queue_names_the_image_that_was_analysed() -> None:
    assert keys(dead_letter(queue=PREDICTIONS, body=encoded(prediction(key="analysed 葉.jpg")))) == ["analysed 葉.jpg"]


@pytest.mark.parametrize("queue", [IMAGES, PREDICTIONS])
@pytest.mark.parametrize("body", ["hello", "{}", '{"other": ' + "[" * 100_000])
def test_a_body_that_is_neither_kind_names_no_image(queue: DeadLetterQueue, body: str) -> None:
    assert dead_letter(queue=queue, body=body).images == ()


def test_a_message_that_sqs_itself_moved_has_no_reason_and_is_not_rejected() -> None:
    assert (dead_letter(reason=None).reason, dead_letter(reason=None).detail) == (NOT_RECORDED, "")
    assert not dead_letter(reason=None).is_rejected


def test_each_dead_letter_queue_has_its_source_queue() -> None:
    assert dead_letter_queues({name: name for name in OUTPUTS}) == [
        DeadLetterQueue("images", "ImagesDeadLettersUrl", "ImagesQueueUrl"),
        DeadLetterQueue("predictions", "PredictionsDeadLettersUrl", "PredictionsQueueUrl"),
    ]


@pytest.mark.parametrize(
    ("filter_", "passes"),
    [
        (Filter(), True),
        (Filter(reason="AccessDeniedException"), True),
        (Filter(reason="Access*"), True),
        (Filter(reason="Access"), False),
        (Filter(key="field 7/*.jpg"), True),
        (Filter(key="field ?/2.jpg"), True),
        (Filter(key="2.jpg"), False),
        (Filter(reason="Access*", key="*/2.jpg"), True),
        (Filter(reason="EmptyImage", key="*/2.jpg"), False),
        (Filter(reason="Access*", key="*.png"), False),
    ],
)
def test_a_filter_goes_by_reason_and_by_any_image_s_key(filter_: Filter, passes: bool) -> None:  # noqa: FBT001 - a case
    body = notification(s3_record("field 7/1.jpg"), s3_record("field 7/2.jpg"))
    assert filter_.passes(dead_letter(body=body)) is passes


def test_a_dead_letter_without_a_reason_matches_not_recorded() -> None:
    assert selection.matching([dead_letter(reason=None), dead_letter()], Filter(reason="not recorded")) == [
        dead_letter(reason=None)
    ]


def test_a_filter_that_matches_nothing_is_refused_with_the_existing_reasons() -> None:
    dead_letters = [dead_letter(), rejected(), dead_letter(), dead_letter(reason="\x1b[2J")]
    with pytest.raises(UserError) as error:
        selection.matching(dead_letters, Filter(reason="EmptyImag"))
    assert "AccessDeniedException (2), InvalidImageFormatException (1), \\x1b[2J (1)" in str(error.value)


def test_without_dead_letters_a_filter_that_matches_nothing_is_no_mistake() -> None:
    assert selection.matching([], Filter(reason="EmptyImag")) == []


@pytest.mark.parametrize(
    ("reason", "key", "everything"), [(None, None, False), ("EmptyImage", None, True), (None, "*.jpg", True)]
)
def test_dead_letters_to_change_must_be_named_in_exactly_one_way(
    reason: str | None,
    key: str | None,
    *,
    everything: bool,
) -> None:
    with pytest.raises(UserError, match=r"--all.*--reason.*--key"):
        selection.filter_of(reason, key, everything=everything)


def test_all_is_a_filter_that_everything_passes() -> None:
    assert selection.filter_of(None, None, everything=True) == Filter()
    assert selection.filter_of("a", "b", everything=False) == Filter("a", "b")


def test_rejected_dead_letters_are_left_out_without_force() -> None:
    dead_letters = [dead_letter(), rejected(), dead_letter(reason=None)]
    assert selection.split_rejected(dead_letters, force=False) == (
        [dead_letter(), dead_letter(reason=None)],
        [rejected()],
    )
    assert selection.split_rejected(dead_letters, force=True) == (dead_letters, [])


@pytest.mark.parametrize(
    "name", ["leaf.jpg", "s3://images/leaf.jpg", "6b0e71bd", "6b0e71bd-7e97-4d97-80ce-4a0994e55286"]
)
def test_a_dead_letter_is_found_by_its_image_or_its_id(name: str) -> None:
    other = dead_letter("other.jpg", id="00000000-7e97-4d97-80ce-4a0994e55286")
    assert selection.find([other, dead_letter()], name) == dead_letter()


@pytest.mark.parametrize("name", ["lea", "6b0e71b", ""])
def test_a_name_of_no_dead_letter_is_refused_with_the_command_that_lists_all(name: str) -> None:
    with pytest.raises(UserError, match="`labelwatch dead-letters list`"):
        selection.find([dead_letter()], name)


def test_a_dead_letter_that_is_not_found_may_be_hidden_by_another_consumer() -> None:
    with pytest.raises(UserError, match=r"other\.jpg.*2 more"):
        selection.find([dead_letter()], "other.jpg", 2)
    assert selection.find([dead_letter()], "leaf.jpg", 2) == dead_letter()


def test_an_image_of_two_dead_letters_is_refused_with_their_ids() -> None:
    with pytest.raises(UserError, match=r"2 dead letters.*6b0e71bd-.*, 00000000"):
        selection.find([dead_letter(), dead_letter(id="00000000")], "leaf.jpg")


def constants_of(tree: ast.Module) -> dict[str, Any]:
    """The texts and sets of texts that a module names."""
    return {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.Set)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def reasons_of(call: ast.Call, constants: dict[str, Any]) -> set[str]:
    """The reasons for which a call rejects: the first word of a Rejected, and the codes that it names as `rejects`."""
    reasons: set[str] = set()
    if isinstance(call.func, ast.Name) and call.func.id == "Rejected":
        (reason, *_) = call.args
        reasons.add(constants[reason.id] if isinstance(reason, ast.Name) else ast.literal_eval(reason))
    for keyword in call.keywords:
        if keyword.arg == "rejects":
            names = {node.id for node in ast.walk(keyword.value) if isinstance(node, ast.Name)}
            reasons |= set().union(*(constants.get(name, ()) for name in names))
    return reasons


def rejections() -> set[str]:
    """Every reason for which the functions reject."""
    trees = [ast.parse(file.read_text()) for file in (PROJECT / "chalicelib").rglob("*.py")]
    return {
        reason
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for reason in reasons_of(node, constants_of(tree))
    }


def test_there_is_advice_on_every_reason_for_which_the_functions_reject() -> None:
    assert {"EmptyImage", "NotAnS3Event", "InvalidImageFormatException", "InvalidParameterException"} <= rejections()
    assert not [reason for reason in rejections() if advice.for_reason(reason) == advice.ANY_OTHER]


def test_a_reason_has_one_advice() -> None:
    reasons = [reason for row in advice.ADVICE for reason in row]
    assert len(set(reasons)) == len(reasons)


def test_an_unexpected_reason_has_general_advice() -> None:
    assert advice.for_reason("Unexpected") == advice.ANY_OTHER


def test_json_has_decoded_keys_and_null_for_a_missing_detail() -> None:
    by_function, by_sqs = json.loads(output.as_json([rejected("葉 1.jpg"), dead_letter(reason=None)]))
    assert by_function == {
        "queue": "images",
        "id": "6b0e71bd-7e97-4d97-80ce-4a0994e55286",
        "reason": "InvalidImageFormatException",
        "detail": "in AWS's words",
        "rejected": True,
        "images": [{"bucket": "images", "key": "葉 1.jpg"}],
        "sent_at": "2026-11-22T10:00:00.123000+00:00",
        "first_received_at": "2026-11-22T10:01:00+00:00",
        "receive_count": 3,
    }
    assert (by_sqs["reason"], by_sqs["detail"], by_sqs["rejected"]) == ("not recorded", None, False)


def test_a_list_has_no_control_character() -> None:
    shown = printed(80, output.print_list, [dead_letter("\x1b[2J\u202e.jpg", attributes={"detail": "\x07"})])
    assert "\\x1b[2J\\u202e.jpg" in shown
    assert "\\x07" in shown


def test_a_list_has_ids_keys_and_reasons_whole_at_80_columns() -> None:
    body = notification(s3_record("field 7/row 12/2026-11-22/leaf 1.jpg"), s3_record("2.jpg"))
    shown = printed(80, output.print_list, [dead_letter(body=body, reason="InvalidImageFormatException")])
    assert [line.strip() for line in shown.splitlines()] == [
        "id:         6b0e71bd",
        "queue:      images",
        "image:      field 7/row 12/2026-11-22/leaf 1.jpg",
        "2.jpg",
        "reason:     InvalidImageFormatException",
        "detail:     in AWS's words",
        "sent (UTC): 2026-11-22 10:00:00",
        "received:   3 times, first at 2026-11-22 10:01:00",
        "",
    ]


def test_a_list_is_a_table_where_the_terminal_is_wide() -> None:
    shown = printed(160, output.print_list, [dead_letter()])
    assert "│ 6b0e71bd │ images │ leaf.jpg │ AccessDeniedException │" in shown


def test_details_have_the_advice_every_attribute_and_the_body() -> None:
    shown = output.details(dead_letter("葉 1.jpg", "ResourceNotReadyException", attributes={"of-others": "\x1b"}))
    known = advice.for_reason("ResourceNotReadyException")
    for part in (
        "image: s3://images/葉 1.jpg",
        f"meaning: {known.meaning}",
        f"action: {known.action}",
        "sent (UTC): 2026-11-22 10:00:00",
        "of-others: \\x1b",
        "SentTimestamp: 1795341600123",
        '"eventSource": "aws:s3",',
    ):
        assert f"{part}\n" in shown


def test_details_show_a_body_that_is_no_json_as_it_is() -> None:
    assert output.details(dead_letter(body="hello\x1b")).splitlines()[-2:] == ["body:", "hello\\x1b"]


def test_a_summary_counts_by_queue_and_reason_with_the_first_images() -> None:
    dead_letters = [*(dead_letter(f"{number}.jpg") for number in range(5)), dead_letter(reason=None)]
    rows = [line.strip("│ ").split() for line in printed(80, output.print_summary, dead_letters).splitlines()]
    assert ["images", "│", "AccessDeniedException", "│", "5", "│", "0.jpg"] in rows
    assert ["2.jpg"] in [row[-1:] for row in rows]
    assert ["3.jpg"] not in [row[-1:] for row in rows]
    assert ["and", "2", "more"] in [row[-3:] for row in rows]
    assert ["images", "│", "not", "recorded", "│", "1", "│", "leaf.jpg"] in rows


@pytest.mark.parametrize(
    ("shown", "received", "hidden", "start"),
    [
        (0, 0, 0, "No dead letters."),
        (3, 3, 0, "3 dead letters."),
        (1, 1, 0, "1 dead letter."),
        (1, 3, 0, "1 of 3 dead letters."),
        (3, 3, 2, "3 dead letters. About 2 more"),
        (0, 0, 2, "0 dead letters. About 2 more"),
    ],
)
def test_the_counts_say_how_many_are_hidden(shown: int, received: int, hidden: int, start: str) -> None:
    counts = output.count_sentence([dead_letter()] * shown, [dead_letter()] * received, hidden)
    assert counts.startswith(start)
    assert counts == start or hidden
