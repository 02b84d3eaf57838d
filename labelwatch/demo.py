"""The main job, shown: photographs in, alerts out, through the package that AWS would get."""

import io
import time
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from msgspec import Struct
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from labelwatch import chart
from labelwatch.athena import LABELS_BY_COUNT
from labelwatch.errors import UserError
from labelwatch.local import session as local
from labelwatch.local.collection import Collection, collection
from labelwatch.local.fates import Predicted, SetAside, Watch
from labelwatch.local.folder import owned
from labelwatch.local.mailbox import Mail
from labelwatch.local.session import Session
from labelwatch.package import package

LABELS_OF_INTEREST = ("bacterial-leaf-blight", "leaf-smut:90")
MIN_CONFIDENCE = 60.0
SECONDS_TO_WAIT = 120
# As the console makes keys of folders and files: blanks, signs and any script.
PLACES = ("field 1", "field 2 (north)", "稲 田", "plot a+b", "100% organic")
NOT_AN_IMAGE = "field 1/notes.jpg"
UNLIKE_ANYTHING = "field 1/television.png"


class Result(Struct, frozen=True):
    """What became of the uploads: keys without a fate are missing in both lists."""

    uploaded: tuple[str, ...]
    predictions: dict[str, Predicted]
    dead_letters: dict[str, SetAside]
    mails: tuple[Mail, ...]

    @property
    def unaccounted(self) -> list[str]:
        """The uploads of which nothing was heard, and those whose alert has not come."""
        return [key for key in self.uploaded if not self._has_met_its_fate(key)]

    def alert_of(self, prediction: Predicted) -> Mail | None:
        """The alert that tells of this prediction."""
        return next((mail for mail in self.mails if prediction.row_key in mail.predictions), None)

    def _has_met_its_fate(self, key: str) -> bool:
        prediction = self.predictions.get(key)
        if prediction is None:
            return key in self.dead_letters
        return not prediction.alert_due or self.alert_of(prediction) is not None


def labels_of_interest(labels: list[str]) -> str:
    """Those of the walk-through as far as the images have them; any label where they have none of them."""
    known = [wanted for wanted in LABELS_OF_INTEREST if wanted.partition(":")[0] in labels]
    return ", ".join(known) or "*"


def run(images: Path | None, folder: Path, cache: Path, console: Console) -> None:
    """Runs it all and shows it; raises UserError unless each image that was uploaded has met its fate."""
    with owned(folder):
        _run(images, folder, cache, console)


def _run(images: Path | None, folder: Path, cache: Path, console: Console) -> None:
    with _progress(console) as progress:
        if images is None:
            console.print("No folder of images was given, so the leaves are drawn and the model learns from drawings.")
        task = progress.add_task("preparing the images", total=None)
        photographs = collection(images, folder / "leaves")
        progress.update(task, description="training the model's stand-in", total=photographs.count)
        classifier = photographs.classifier(cache, lambda: progress.advance(task))
        progress.update(task, completed=photographs.count)
        task = progress.add_task("packaging with chalice", total=1)
        packaged = package(folder / "package")
        progress.advance(task)
        task = progress.add_task("starting the embedded cloud and deploying", total=1)
        wanted = labels_of_interest(list(photographs.to_train))
        with local.running(
            folder, packaged, classifier, labels_of_interest=wanted, min_confidence=MIN_CONFIDENCE
        ) as session:
            progress.advance(task)
            result = _upload_and_wait(session, photographs, progress)
            counts = {
                str(row["label"]): int(row["images"] or 0) for row in session.athena.query(LABELS_BY_COUNT.read_text())
            }
    _show(console, result, counts, wanted, folder)
    if result.unaccounted:
        raise UserError(f"{len(result.unaccounted)} images met no fate, such as {result.unaccounted[0]!r}.")


def _upload_and_wait(session: Session, photographs: Collection, progress: Progress) -> Result:
    uploads = _uploads(photographs)
    s3 = session.cloud.client("s3")
    s3.put_object(Bucket=local.INPUT_BUCKET, Key=f"{PLACES[0]}/", Body=b"")  # the console's folder marker
    task = progress.add_task("uploading", total=len(uploads))
    for key, content in uploads.items():
        s3.put_object(Bucket=local.INPUT_BUCKET, Key=key, Body=content)
        progress.advance(task)
    task = progress.add_task("waiting for every image's fate", total=len(uploads))
    watch = Watch(session)
    predictions: dict[str, Predicted] = {}
    dead_letters: dict[str, SetAside] = {}
    until = time.monotonic() + SECONDS_TO_WAIT
    while True:
        predictions |= {one.key: one for one in watch.new_predictions()}
        dead_letters |= {_key(one.image): one for one in watch.new_dead_letters()}
        result = Result(tuple(uploads), predictions, dead_letters, tuple(session.mailbox.mails))
        progress.update(task, completed=len(uploads) - len(result.unaccounted))
        if not result.unaccounted or time.monotonic() > until:
            return result
        time.sleep(0.2)


def _key(image: str) -> str:
    return unquote(image).removeprefix(f"s3://{local.INPUT_BUCKET}/")


def _uploads(photographs: Collection) -> dict[str, bytes]:
    """What is put into the bucket, by key: the images, one file that is none, and a picture of nothing known."""
    uploads = {
        f"{PLACES[number % len(PLACES)]}/{label} {number + 1}{path.suffix}": path.read_bytes()
        for label, paths in photographs.to_try.items()
        for number, path in enumerate(paths)
    }
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    picture = io.BytesIO()
    Image.fromarray(noise).save(picture, "PNG")
    return uploads | {UNLIKE_ANYTHING: picture.getvalue(), NOT_AN_IMAGE: b"Spray on Tuesday.\n"}


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<42}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


def _show(console: Console, result: Result, counts: dict[str, int], wanted: str, folder: Path) -> None:
    console.print(_fates(result))
    console.print(_alerts(result))
    console.print(_dead_letters(result))
    console.print(_counts(counts))
    console.print(f"Labels of interest: {wanted}; MinConfidence {MIN_CONFIDENCE:g}.")
    console.print(f"{len(result.mails)} alerts, for any mail program: {folder / 'alerts'}/*.eml", soft_wrap=True)
    if counts:
        picture = folder / "labels.png"
        chart.pie(counts, "Images by label", picture)
        console.print(f"The pie chart of the labels: {picture}", soft_wrap=True)
    else:
        console.print("No image has a label, so there is no pie chart.")
    met = len(result.uploaded) - len(result.unaccounted)
    console.print(f"{met} of {len(result.uploaded)} images that were uploaded are accounted for.", style="bold")


def _fates(result: Result) -> Table:
    table = Table("image", "labels", "alerted", title="What became of the images")
    for key in result.uploaded:
        prediction = result.predictions.get(key)
        if prediction is None:
            table.add_row(key, "dead letter" if key in result.dead_letters else "nothing heard", "")
            continue
        labels = ", ".join(f"{name} {confidence:.1f} %" for name, confidence in prediction.labels)
        mail = result.alert_of(prediction)
        table.add_row(key, labels or "no label", f"in {mail.file.name[:3]}" if mail else "no")
    return table


def _alerts(result: Result) -> Table:
    table = Table("alert", "subject", title="Alerts")
    for mail in result.mails:
        table.add_row(mail.file.name[:3], mail.subject)
    return table


def _dead_letters(result: Result) -> Table:
    table = Table("image", "reason", "detail", title="Dead letters")
    for letter in result.dead_letters.values():
        table.add_row(_key(letter.image), letter.reason, letter.detail)
    return table


def _counts(counts: dict[str, int]) -> Table:
    table = Table("label", "images", title="Athena: athena/labels_by_count.sql")
    for label, images in counts.items():
        table.add_row(label, str(images))
    return table
