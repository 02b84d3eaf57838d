import io
from pathlib import Path

from rich.console import Console

from chalicelib.domain.rules import LabelOfInterest, Rules
from labelwatch.local.mailbox import Mail
from labelwatch.local.outcomes import DeadLetterOutcome, PredictionOutcome
from labelwatch.local.result import MAX_IMAGES_SHOWN, Result, show, show_totals
from labelwatch.report import Report
from labelwatch.shared.interest import NO_LABEL, NOT_OF_INTEREST

RULES = Rules((LabelOfInterest("leaf-smut", 90),), 60)
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


def lines_of(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def cells_of(lines: list[str]) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]


def shown(result: Result) -> list[str]:
    """The lines of the tables in a terminal of 80 columns."""
    console = Console(file=io.StringIO(), width=80)
    show(console, result, {"leaf-smut": 31, "brown-spot": 2}, RULES)
    return lines_of(console)


def totals(result: Result, pie: Path | None = None) -> str:
    console = Console(file=io.StringIO(), width=80)
    show_totals(console, result, Path("demo"), Report(Path("demo/report.html"), pie))
    return "\n".join(lines_of(console))


def many() -> Result:
    """Thirty images with one label, in two alerts, one image below the threshold, one without a label, ..."""
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


def test_a_label_has_its_images_those_below_its_threshold_those_alerted_and_its_alerts() -> None:
    rows = cells_of(shown(many()))
    assert ["leaf-smut", "31", "1", "30", "2"] in rows
    assert ["Alerts in all", "", "", "", "2"] in rows


def test_a_label_that_is_not_of_interest_has_no_alerts() -> None:
    assert ["brown-spot", "2", NOT_OF_INTEREST, "", ""] in cells_of(shown(many()))


def test_an_alert_of_two_labels_counts_once_for_each_and_once_in_all() -> None:
    labels = (("leaf-smut", 97.0), ("rust", 97.0))
    prediction = PredictionOutcome("leaf.jpg", labels, alert_expected=True, row_key="a")
    console = Console(file=io.StringIO(), width=80)
    show(
        console, result(prediction, mails=(mail("a"),)), {"leaf-smut": 1, "rust": 1}, Rules((LabelOfInterest("*"),), 60)
    )
    rows = cells_of(lines_of(console))
    assert [row[-1] for row in rows if len(row) == 5] == ["1", "1", "1"]


def test_images_without_a_label_are_shown_with_their_outcome() -> None:
    lines = shown(many())
    assert f"  noise.png: {NO_LABEL}" in lines
    assert any("leaf.jpg" in line and "InvalidImageFormatException" in line for line in lines)


def test_an_image_without_an_outcome_is_shown_as_such() -> None:
    assert "  leaf.jpg: no outcome" in shown(result())


def test_a_key_stays_whole_and_its_control_characters_are_escaped() -> None:
    key = "field 1/" + "x" * 100 + "\x1b.jpg"
    assert any(line.startswith(f"  {key[:-5]}\\x1b.jpg: ") for line in shown(Result((key,), {}, {}, ())))


def test_only_some_images_without_a_label_are_shown() -> None:
    keys = tuple(f"{number}.jpg" for number in range(MAX_IMAGES_SHOWN + 5))
    lines = shown(Result(keys, {}, {}, ()))
    assert "  5 more" in lines
    assert sum(line.endswith("no outcome") for line in lines) == MAX_IMAGES_SHOWN


def test_the_totals_count_every_outcome() -> None:
    assert "33 of 33" in totals(many())
    assert "32 predictions, 1 dead letter" in totals(many())
    assert "0 of 1" in totals(result())


def test_the_files_to_open_are_named() -> None:
    text = totals(many(), Path("demo/labels.png"))
    for file in ("demo/report.html", "demo/alerts/*.eml", "demo/labels.png", "demo/predictions/"):
        assert file in text
    assert "labels.png" not in totals(many())
