"""Which dead letters are meant, what they are about, and what is said of them."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.errors import Disposition
from chalicelib.steps.detect import encoded
from labelwatch.dead_letters import advice, output, selection
from labelwatch.dead_letters.dead_letter import NOT_RECORDED, OUTPUTS, Box, Letter, boxes
from labelwatch.dead_letters.selection import Filter
from labelwatch.shared.errors import UserError
from tests.support.builders import notification, prediction, s3_record

PROJECT = Path(__file__).parents[2]
IMAGES = Box("images", "https://dead/images", "https://images")
PREDICTIONS = Box("predictions", "https://dead/predictions", "https://predictions")
KNOWN = {
    "SentTimestamp": "1795341600123",
    "ApproximateFirstReceiveTimestamp": "1795341660000",
    "ApproximateReceiveCount": "3",
}


def letter(key: str = "leaf.jpg", reason: str | None = "AccessDeniedException", **changes: Any) -> Letter:
    """A dead letter of the images, given up after its tries; without a reason it is SQS's own."""
    said = {"reason": reason, "detail": "in AWS's words", "disposition": Disposition.RETRY} if reason else {}
    fields: dict[str, Any] = {
        "box": IMAGES,
        "id": "6b0e71bd-7e97-4d97-80ce-4a0994e55286",
        "receipt_handle": "handle",
        "body": notification(s3_record(key)),
        "said": said | changes.pop("said", {}),
        "known": KNOWN,
    }
    return Letter(**fields | changes)


def rejected(key: str = "notes.jpg", reason: str = "InvalidImageFormatException") -> Letter:
    return letter(key, reason, said={"disposition": Disposition.REJECT})


def keys(one: Letter) -> list[str]:
    return [image.key for image in one.images]


def test_the_key_of_an_image_is_decoded_once() -> None:
    assert keys(letter("field 7/a+b%2Fc 葉.jpg")) == ["field 7/a+b%2Fc 葉.jpg"]


def test_a_batch_notification_is_about_each_of_its_images_and_what_is_none_is_left_out() -> None:
    removed = s3_record("gone.jpg", eventName="ObjectRemoved:Delete")
    body = notification(s3_record("1.jpg"), {"eventSource": "aws:ses"}, removed, s3_record("2.jpg"))
    assert keys(letter(body=body)) == ["1.jpg", "2.jpg"]


def test_a_dead_letter_of_the_predictions_is_about_the_image_that_was_looked_at() -> None:
    assert keys(letter(box=PREDICTIONS, body=encoded(prediction(key="seen 葉.jpg")))) == ["seen 葉.jpg"]


@pytest.mark.parametrize("box", [IMAGES, PREDICTIONS])
@pytest.mark.parametrize("body", ["hello", "{}", '{"other": ' + "[" * 100_000])
def test_a_body_that_is_neither_kind_is_about_no_image(box: Box, body: str) -> None:
    assert letter(box=box, body=body).images == ()


def test_what_sqs_itself_gave_up_has_no_reason_and_is_not_rejected() -> None:
    assert (letter(reason=None).reason, letter(reason=None).detail) == (NOT_RECORDED, "")
    assert not letter(reason=None).is_rejected


def test_each_box_has_the_queue_that_its_letters_come_from() -> None:
    assert [(box.name, box.url, box.source) for box in boxes({name: name for name in OUTPUTS})] == [
        ("images", "ImagesDeadLettersUrl", "ImagesQueueUrl"),
        ("predictions", "PredictionsDeadLettersUrl", "PredictionsQueueUrl"),
    ]


@pytest.mark.parametrize(
    ("asked", "passes"),
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
def test_a_filter_goes_by_reason_and_by_any_image_s_key(asked: Filter, passes: bool) -> None:  # noqa: FBT001 - a case
    body = notification(s3_record("field 7/1.jpg"), s3_record("field 7/2.jpg"))
    assert asked.passes(letter(body=body)) is passes


def test_what_has_no_reason_is_meant_by_these_words() -> None:
    assert selection.chosen([letter(reason=None), letter()], Filter(reason="not recorded")) == [letter(reason=None)]


def test_a_filter_that_means_nothing_is_told_the_reasons_that_there_are() -> None:
    there = [letter(), rejected(), letter(), letter(reason="\x1b[2J")]
    with pytest.raises(UserError) as told:
        selection.chosen(there, Filter(reason="EmptyImag"))
    assert str(told.value) == (
        "no dead letter matches (4 in all); the reasons are AccessDeniedException (2), "
        "InvalidImageFormatException (1), \\x1b[2J (1)."
    )


def test_where_there_are_none_a_filter_is_no_mistake() -> None:
    assert selection.chosen([], Filter(reason="EmptyImag")) == []


@pytest.mark.parametrize(
    ("reason", "key", "everything"), [(None, None, False), ("EmptyImage", None, True), (None, "*.jpg", True)]
)
def test_what_is_moved_or_deleted_must_be_said_once(reason: str | None, key: str | None, everything: bool) -> None:  # noqa: FBT001 - a case
    with pytest.raises(UserError, match=r"^say which dead letters: either --all, or"):
        selection.wanted(reason, key, everything=everything)


def test_all_is_a_filter_that_everything_passes() -> None:
    assert selection.wanted(None, None, everything=True) == Filter()
    assert selection.wanted("a", "b", everything=False) == Filter("a", "b")


def test_what_was_rejected_for_good_is_left_out_unless_it_is_forced() -> None:
    there = [letter(), rejected(), letter(reason=None)]
    assert selection.parted(there, force=False) == ([letter(), letter(reason=None)], [rejected()])
    assert selection.parted(there, force=True) == (there, [])


@pytest.mark.parametrize(
    "name", ["leaf.jpg", "s3://images/leaf.jpg", "6b0e71bd", "6b0e71bd-7e97-4d97-80ce-4a0994e55286"]
)
def test_one_is_named_by_its_image_or_its_id(name: str) -> None:
    other = letter("other.jpg", id="00000000-7e97-4d97-80ce-4a0994e55286")
    assert selection.the_one([other, letter()], name) == letter()


@pytest.mark.parametrize("name", ["lea", "6b0e71b", ""])
def test_what_names_none_is_one_sentence(name: str) -> None:
    with pytest.raises(UserError, match=r"^there is no dead letter .*dead-letters list"):
        selection.the_one([letter()], name)


def test_what_is_in_the_hands_of_somebody_else_may_be_the_one() -> None:
    with pytest.raises(UserError, match=r"no dead letter in sight is gone\.jpg; about 2 more are in the hands of"):
        selection.the_one([letter()], "gone.jpg", 2)
    assert selection.the_one([letter()], "leaf.jpg", 2) == letter()


def test_an_image_of_two_dead_letters_is_one_sentence_with_their_ids() -> None:
    with pytest.raises(UserError, match=r"means 2 dead letters; name one by its id: 6b0e71bd-.*, 00000000\."):
        selection.the_one([letter(), letter(id="00000000")], "leaf.jpg")


def rejections() -> set[str]:
    """Every reason for which the functions reject: the first word of each Rejected, and the codes named beside it."""
    found: set[str] = set()
    for file in (PROJECT / "chalicelib").rglob("*.py"):
        tree = ast.parse(file.read_text())
        constants = {
            target.id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.Set)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id == "Rejected":
                (reason, *_) = call.args
                found.add(constants[reason.id] if isinstance(reason, ast.Name) else ast.literal_eval(reason))
            for keyword in call.keywords:
                if keyword.arg == "rejects":
                    names = {node.id for node in ast.walk(keyword.value) if isinstance(node, ast.Name)}
                    found |= set().union(*(constants.get(name, ()) for name in names))
    return found


def test_there_is_advice_on_every_reason_for_which_the_functions_reject() -> None:
    assert (
        {"EmptyImage", "NotAnS3Event", "InvalidImageFormatException", "InvalidParameterException"}
        <= rejections()
        <= set(advice.ADVICE)
    )


def test_the_table_of_the_docs_is_the_advice() -> None:
    text = (PROJECT / "docs" / "operations.md").read_text()
    table = text.split("| reason | what it means | what to do |\n|---|---|---|\n")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]
    named = {reason: (meaning, to_do) for names, meaning, to_do in rows for reason in re.findall(r"`([^`]+)`", names)}
    assert named == {reason: tuple(said) for reason, said in advice.ADVICE.items()}
    assert rows[-1] == ["any other", *advice.ANY_OTHER]


def test_a_reason_that_nobody_foresaw_is_the_last_of_its_failures() -> None:
    assert advice.on("Unexpected") == advice.ANY_OTHER


def test_json_has_decoded_keys_and_nothing_for_what_is_not_known() -> None:
    own, theirs = json.loads(output.as_json([rejected("葉 1.jpg"), letter(reason=None)]))
    assert own == {
        "queue": "images",
        "id": "6b0e71bd-7e97-4d97-80ce-4a0994e55286",
        "reason": "InvalidImageFormatException",
        "detail": "in AWS's words",
        "rejected": True,
        "images": [{"bucket": "images", "key": "葉 1.jpg"}],
        "sent": "2026-11-22T10:00:00.123000+00:00",
        "first_received": "2026-11-22T10:01:00+00:00",
        "received": 3,
    }
    assert (theirs["reason"], theirs["detail"], theirs["rejected"]) == ("not recorded", None, False)


def test_a_table_has_no_letter_that_a_terminal_obeys() -> None:
    table = output.as_table([letter("\x1b[2J\u202e.jpg", said={"detail": "\x07"})])
    cells = [cell for column in table.columns for cell in column._cells]
    assert cells[1:3] == ["\\x1b[2J\\u202e.jpg", "AccessDeniedException\n\\x07"]


def test_a_row_of_the_table_has_what_there_is_to_know() -> None:
    body = notification(s3_record("1.jpg"), s3_record("2.jpg"))
    table = output.as_table([letter(body=body)])
    assert [list(column._cells) for column in table.columns] == [
        ["6b0e71bd\nimages"],
        ["1.jpg\n2.jpg"],
        ["AccessDeniedException\nin AWS's words"],
        ["2026-11-22 10:00:00\n2026-11-22 10:01:00\n3"],
    ]


def test_one_whole_has_its_advice_every_attribute_and_its_body() -> None:
    shown = output.whole(letter("葉 1.jpg", "ResourceNotReadyException", said={"of-others": "\x1b"}))
    for line in (
        "image: s3://images/葉 1.jpg",
        f"it means: {advice.ADVICE['ResourceNotReadyException'].meaning}",
        f"to do: {advice.ADVICE['ResourceNotReadyException'].to_do}",
        "sent: 2026-11-22 10:00:00",
        "attribute of-others: \\x1b",
        "SQS's SentTimestamp: 1795341600123",
        '   "eventSource": "aws:s3",',
    ):
        assert line in shown.splitlines()


def test_one_whole_whose_body_is_no_json_is_shown_as_it_is() -> None:
    assert output.whole(letter(body="hello\x1b")).splitlines()[-2:] == ["body:", "hello\\x1b"]


def test_what_is_moved_is_summed_by_queue_and_reason_with_some_images() -> None:
    table = output.summed([*(letter(f"{number}.jpg") for number in range(5)), letter(reason=None)])
    assert [list(column._cells) for column in table.columns] == [
        ["images", "images"],
        ["AccessDeniedException", "not recorded"],
        ["5", "1"],
        ["0.jpg\n1.jpg\n2.jpg\nand 2 more", "leaf.jpg"],
    ]


@pytest.mark.parametrize(
    ("shown", "seen", "elsewhere", "said"),
    [
        (0, 0, 0, "There are no dead letters."),
        (3, 3, 0, "3 dead letters; all were seen."),
        (1, 1, 0, "1 dead letter; all were seen."),
        (1, 3, 0, "1 of 3 dead letters; all were seen."),
        (
            3,
            3,
            2,
            "3 dead letters; about 2 more out of sight: somebody else has received them. Run it again in a while.",
        ),
    ],
)
def test_it_is_said_how_many_there_are_and_whether_all_were_seen(
    shown: int, seen: int, elsewhere: int, said: str
) -> None:
    assert output.counted([letter()] * shown, [letter()] * seen, elsewhere) == said
