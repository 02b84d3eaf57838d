"""The main job, shown: photographs in, alerts out, through the package that AWS would get."""

import io
import time
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from labelwatch.analytics import Narrowing, load_query
from labelwatch.deploy.package import package
from labelwatch.local import curl_uploads
from labelwatch.local import session as local
from labelwatch.local.deployment import STACK
from labelwatch.local.folder import owned
from labelwatch.local.image_set import Collection, checked, collection
from labelwatch.local.ministack import check_machine
from labelwatch.local.outcomes import DeadLetterImage, Predicted, Watch
from labelwatch.local.result import Result, show
from labelwatch.local.session import Session
from labelwatch.report import Scope, write_report
from labelwatch.shared.errors import UserError
from labelwatch.shared.text import counted
from labelwatch.uploads import tokens

LABELS_OF_INTEREST = ("bacterial-leaf-blight", "leaf-smut:90")
MIN_CONFIDENCE = 60.0
SECONDS_TO_WAIT = 120
CLIENT = "demo"
# As the console makes keys of folders and files: blanks, signs and any script.
PLACES = ("field 1", "field 2 (north)", "稲 田", "plot a+b", "100% organic")
NO_FOLDER = "No folder of images was given, so the leaves are drawn and the model learns from drawings."
NOT_AN_IMAGE = "field 1/notes.jpg"
UNLIKE_ANYTHING = "field 1/television.png"


def labels_of_interest(labels: list[str]) -> str:
    """Those of the walk-through as far as the images have them; any label where they have none of them."""
    known = [wanted for wanted in LABELS_OF_INTEREST if wanted.partition(":")[0] in labels]
    return ", ".join(known) or "*"


def run(images: Path | None, folder: Path, cache: Path, console: Console) -> None:
    """Runs it all and shows it; raises UserError unless each image that was uploaded has met its fate."""
    check_machine()
    curl_uploads.check_curl()
    images = checked(images, folder)
    with owned(folder):
        _run(images, folder, cache, console)


def _run(images: Path | None, folder: Path, cache: Path, console: Console) -> None:
    with _progress(console) as progress:
        if images is None:
            console.print(NO_FOLDER)
        task = progress.add_task("preparing the images", total=None)
        photographs = collection(images, folder / "leaves")
        progress.update(task, description="training the local model", total=photographs.count)
        classifier = photographs.classifier(cache, lambda: progress.advance(task))
        progress.update(task, completed=photographs.count)
        console.print(
            f"The local model learns from {photographs.count} images. {sum(map(len, photographs.to_try.values()))} "
            "others are uploaded: half by curl with presigned uploads, half with AWS credentials under made-up "
            "folders. And two on purpose: a picture of nothing known, and a file that is no image."
        )
        task = progress.add_task("packaging with chalice", total=1)
        packaged = package(folder / "package")
        progress.advance(task)
        task = progress.add_task("starting the local AWS and deploying", total=1)
        wanted = labels_of_interest(list(photographs.to_train))
        with local.running(
            folder, packaged, classifier, labels_of_interest=wanted, min_confidence=MIN_CONFIDENCE
        ) as session:
            progress.advance(task)
            result = _upload_and_wait(session, photographs, progress)
            _keep_rows(session, result, folder)
            counts = {
                str(row["label"]): int(row["images"] or 0)
                for row in session.athena.query(load_query("labels_by_count").sql).records
            }
            task = progress.add_task("drawing the report", total=1)
            report = write_report(
                session.athena, Scope(f"{STACK} (demo)", wanted, Narrowing()), folder, address_of=None
            )
            progress.advance(task)
    console.print(f"Labels of interest: {wanted}; MinConfidence {MIN_CONFIDENCE:g}.")
    show(console, result, counts, folder, report)
    if result.unaccounted:
        raise UserError(f"{counted(len(result.unaccounted), 'image')} met no fate, such as {result.unaccounted[0]!r}.")


def _upload_and_wait(session: Session, photographs: Collection, progress: Progress) -> Result:
    everything = [(label, path) for label, paths in photographs.to_try.items() for path in paths]
    uploads = _with_tickets(session, [path for _, path in everything[::2]], progress)
    uploads += _with_credentials(session, _contents(everything[1::2]), progress)
    task = progress.add_task("waiting for every image's fate", total=len(uploads))
    watch = Watch(session)
    predictions: dict[str, Predicted] = {}
    dead_letters: dict[str, DeadLetterImage] = {}
    until = time.monotonic() + SECONDS_TO_WAIT
    while True:
        predictions |= {one.key: one for one in watch.new_predictions()}
        dead_letters |= {one.key: one for one in watch.new_dead_letters()}
        result = Result(tuple(uploads), predictions, dead_letters, tuple(session.mailbox.mails))
        progress.update(task, completed=len(uploads) - len(result.unaccounted))
        if not result.unaccounted or time.monotonic() > until:
            return result
        time.sleep(0.2)


def _keep_rows(session: Session, result: Result, folder: Path) -> None:
    s3 = session.local_aws.client("s3")
    for prediction in result.predictions.values():
        file = folder / prediction.row_key
        file.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(local.OUTPUT_BUCKET, prediction.row_key, str(file))


def _with_tickets(session: Session, files: list[Path], progress: Progress) -> list[str]:
    """Uploads as somebody without AWS credentials, and gives the keys that the service chose."""
    token = tokens.create(session.tokens, CLIENT)
    return [
        curl_uploads.upload(session.api, token, file)
        for file in progress.track(files, description="uploading with presigned uploads, by curl")
    ]


def _with_credentials(session: Session, contents: dict[str, bytes], progress: Progress) -> list[str]:
    """Uploads as the console and the AWS CLI do, and gives the keys."""
    s3 = session.local_aws.client("s3")
    s3.put_object(Bucket=local.INPUT_BUCKET, Key=f"{PLACES[0]}/", Body=b"")  # the console's folder marker
    for key, content in progress.track(contents.items(), description="uploading with AWS credentials"):
        s3.put_object(Bucket=local.INPUT_BUCKET, Key=key, Body=content)
    return list(contents)


def _contents(images: list[tuple[str, Path]]) -> dict[str, bytes]:
    """What is put into the bucket, by key: the images, one file that is none, and a picture of nothing known."""
    contents = {
        f"{PLACES[number % len(PLACES)]}/{label}/{path.name}": path.read_bytes()
        for number, (label, path) in enumerate(images)
    }
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    picture = io.BytesIO()
    Image.fromarray(noise).save(picture, "PNG")
    return contents | {UNLIKE_ANYTHING: picture.getvalue(), NOT_AN_IMAGE: b"Spray on Tuesday.\n"}


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<42}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
