import io
from pathlib import Path

from rich.console import Console

from labelwatch.local.mailbox import Mail
from labelwatch.local.outcomes import DeadLetterOutcome, PredictionOutcome
from labelwatch.local.result import Result, show
from labelwatch.report import Report

WITH_ALERT = PredictionOutcome(
    "leaf.jpg", (("leaf-smut", 97.0),), alert_expected=True, row_key="predictions/dt=2026-11-22/a.json"
)
WITHOUT_ALERT = PredictionOutcome(
    "leaf.jpg", (("brown-spot", 97.0),), alert_expected=False, row_key="predictions/dt=2026-11-22/a.json"
)
DEAD_LETTER = DeadLetterOutcome("s3://labelwatch-images/leaf.jpg", "InvalidImageFormatException", "no image")


def result(
    predicted: PredictionOutcome | None = None,
    dead_letter: DeadLetterOutcome | None = None,
    mails: tuple[Mail, ...] = (),
) -> Result:
    return Result(
        uploaded=("leaf.jpg",),
        predictions={predicted.key: predicted} if predicted else {},
        dead_letters={dead_letter.key: dead_letter} if dead_letter else {},
        mails=mails,
    )


def mail(*row_keys: str) -> Mail:
    return Mail("Labelwatch: leaf-smut", frozenset(row_keys), Path("001.eml"))


def test_an_image_without_an_outcome_is_not_accounted_for() -> None:
    assert result().unaccounted_for == ["leaf.jpg"]


def test_an_image_whose_alert_has_not_arrived_is_not_accounted_for() -> None:
    assert result(WITH_ALERT, mails=(mail("predictions/dt=2026-11-22/other.json"),)).unaccounted_for == ["leaf.jpg"]


def test_an_image_with_its_alert_is_accounted_for() -> None:
    assert result(WITH_ALERT, mails=(mail(WITH_ALERT.row_key),)).unaccounted_for == []


def test_an_image_without_a_label_of_interest_is_accounted_for_without_an_alert() -> None:
    assert result(WITHOUT_ALERT).unaccounted_for == []


def test_a_dead_letter_is_accounted_for() -> None:
    assert result(dead_letter=DEAD_LETTER).unaccounted_for == []


def test_the_key_of_a_dead_letter_is_decoded() -> None:
    assert DeadLetterOutcome("s3://labelwatch-images/a%20b%2Bc.jpg", "reason", "detail").key == "a b+c.jpg"


def shown(result: Result, pie: Path | None = Path("demo/labels.png")) -> list[str]:
    """The lines that a terminal of 80 columns shows."""
    console = Console(file=io.StringIO(), width=80)
    show(console, result, {"leaf-smut": 3}, Path("demo"), Report(Path("demo/report.html"), pie))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def many() -> Result:
    """Thirty images with one label, in two alerts, one image without an alert, one without a label, a dead letter."""
    keys = [f"uploads/demo/2026-11-22/ijctjc5udulxld6r-leaf-smut-{number:04}.jpg" for number in range(30)]
    predictions = {
        key: PredictionOutcome(key, (("leaf-smut", 97.0),), alert_expected=True, row_key=key) for key in keys
    }
    predictions["weak.jpg"] = PredictionOutcome(
        "weak.jpg", (("leaf-smut", 61.0),), alert_expected=False, row_key="weak"
    )
    predictions["noise.png"] = PredictionOutcome("noise.png", (), alert_expected=False, row_key="noise")
    mails = tuple(
        Mail("Labelwatch: 15 pictures", frozenset(keys[index::2]), Path(f"00{index}.eml")) for index in range(2)
    )
    return Result((*keys, "weak.jpg", "noise.png", "leaf.jpg"), predictions, {"leaf.jpg": DEAD_LETTER}, mails)


def test_images_with_the_same_outcome_are_one_row_that_fits_a_terminal() -> None:
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown(many())]
    assert [row for row in rows if len(row) == 4] == [
        ["30", "leaf-smut", "2", "…jc5udulxld6r-leaf-smut-0000.jpg"],
        ["1", "leaf-smut", "0", "weak.jpg"],
        ["1", "no label", "0", "noise.png"],
        ["1", "dead letter", "0", "leaf.jpg"],
    ]
    assert ["leaf.jpg", "InvalidImageFormatException", "no image"] in rows


def test_an_image_without_an_outcome_is_shown_as_such() -> None:
    assert any("no outcome" in line for line in shown(result()))


def test_the_last_lines_have_the_totals_and_the_files_to_open() -> None:
    assert shown(many())[-3:] == [
        "33 of 33 images that were uploaded are accounted for.",
        "32 predictions, 2 alerts, 1 dead letter. Open, in any browser: demo/report.html",
        "In demo: alerts/*.eml for any mail program, predictions/ (the rows), labels.png (the pie).",
    ]
    assert shown(many(), pie=None)[-1].endswith("predictions/ (the rows), no pie, since no image has a label.")
