import io
from pathlib import Path

from rich.console import Console

from labelwatch.local.mailbox import Mail
from labelwatch.local.outcomes import DeadLetterImage, Predicted
from labelwatch.local.result import Result, show
from labelwatch.report import Report

SEEN = Predicted("leaf.jpg", (("leaf-smut", 97.0),), alert_due=True, row_key="predictions/dt=2026-11-22/a.json")
UNASKED = Predicted("leaf.jpg", (("brown-spot", 97.0),), alert_due=False, row_key="predictions/dt=2026-11-22/a.json")
LETTER = DeadLetterImage("s3://labelwatch-images/leaf.jpg", "InvalidImageFormatException", "no image")


def result(
    predicted: Predicted | None = None, letter: DeadLetterImage | None = None, mails: tuple[Mail, ...] = ()
) -> Result:
    return Result(
        uploaded=("leaf.jpg",),
        predictions={predicted.key: predicted} if predicted else {},
        dead_letters={letter.key: letter} if letter else {},
        mails=mails,
    )


def mail(*row_keys: str) -> Mail:
    return Mail("Labelwatch: leaf-smut", frozenset(row_keys), Path("001.eml"))


def test_an_image_that_nothing_was_heard_of_is_not_accounted_for() -> None:
    assert result().unaccounted == ["leaf.jpg"]


def test_an_image_whose_alert_has_not_come_is_not_accounted_for() -> None:
    assert result(SEEN, mails=(mail("predictions/dt=2026-11-22/other.json"),)).unaccounted == ["leaf.jpg"]


def test_an_image_that_an_alert_tells_of_is_accounted_for() -> None:
    assert result(SEEN, mails=(mail(SEEN.row_key),)).unaccounted == []


def test_an_image_that_nobody_asked_for_is_accounted_for_without_an_alert() -> None:
    assert result(UNASKED).unaccounted == []


def test_a_dead_letter_is_accounted_for() -> None:
    assert result(letter=LETTER).unaccounted == []


def test_a_dead_letter_is_known_by_its_decoded_key() -> None:
    assert DeadLetterImage("s3://labelwatch-images/a%20b%2Bc.jpg", "reason", "detail").key == "a b+c.jpg"


def shown(it: Result, pie: Path | None = Path("demo/labels.png")) -> list[str]:
    """What is printed in a terminal of 80 columns."""
    console = Console(file=io.StringIO(), width=80)
    show(console, it, {"leaf-smut": 3}, Path("demo"), Report(Path("demo/report.html"), pie))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def many() -> Result:
    """Thirty images that are alike, in two alerts, one image that is in none, one without a label, a dead letter."""
    keys = [f"uploads/demo/2026-11-22/ijctjc5udulxld6r-leaf-smut-{number:04}.jpg" for number in range(30)]
    predictions = {key: Predicted(key, (("leaf-smut", 97.0),), alert_due=True, row_key=key) for key in keys}
    predictions["weak.jpg"] = Predicted("weak.jpg", (("leaf-smut", 61.0),), alert_due=False, row_key="weak")
    predictions["noise.png"] = Predicted("noise.png", (), alert_due=False, row_key="noise")
    mails = tuple(
        Mail("Labelwatch: 15 pictures", frozenset(keys[place::2]), Path(f"00{place}.eml")) for place in range(2)
    )
    return Result((*keys, "weak.jpg", "noise.png", "leaf.jpg"), predictions, {"leaf.jpg": LETTER}, mails)


def test_images_of_the_same_fate_are_one_row_that_fits_a_terminal() -> None:
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown(many())]
    assert [row for row in rows if len(row) == 4] == [
        ["30", "leaf-smut", "2", "…jc5udulxld6r-leaf-smut-0000.jpg"],
        ["1", "leaf-smut", "0", "weak.jpg"],
        ["1", "no label", "0", "noise.png"],
        ["1", "dead letter", "0", "leaf.jpg"],
    ]
    assert ["leaf.jpg", "InvalidImageFormatException", "no image"] in rows


def test_an_image_of_which_nothing_was_heard_is_told_so() -> None:
    assert any("nothing heard" in line for line in shown(result()))


def test_the_last_lines_say_how_many_there_are_of_what_and_what_to_open() -> None:
    assert shown(many())[-3:] == [
        "33 of 33 images that were uploaded are accounted for.",
        "32 predictions, 2 alerts, 1 dead letter. Open, in any browser: demo/report.html",
        "In demo: alerts/*.eml for any mail program, predictions/ (the rows), labels.png (the pie).",
    ]
    assert shown(many(), pie=None)[-1].endswith("predictions/ (the rows), no pie, since no image has a label.")
