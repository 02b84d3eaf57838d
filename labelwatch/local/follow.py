"""The local AWS that stays: uploads by hand, and what becomes of them told as it happens."""

import shlex
import sys
import time
from pathlib import Path

from rich.console import Console

from labelwatch.deploy.package import package
from labelwatch.local import curl_uploads
from labelwatch.local import session as local
from labelwatch.local.demo import CLIENT, MIN_CONFIDENCE, NO_FOLDER, labels_of_interest
from labelwatch.local.folder import exclusive
from labelwatch.local.image_set import checked, collection
from labelwatch.local.mailbox import Mail
from labelwatch.local.ministack import ACCESS_KEY, REGION, SECRET_KEY, check_machine, free_port
from labelwatch.local.outcomes import DeadLetterOutcome, OutcomeReader, PredictionOutcome
from labelwatch.local.session import Session
from labelwatch.shared.text import printable
from labelwatch.uploads import tokens

SECONDS_BETWEEN_LOOKS = 0.5

_AS_ROOT = f"AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY} AWS_DEFAULT_REGION={REGION}"

type News = PredictionOutcome | DeadLetterOutcome | Mail


def run(  # noqa: PLR0913, PLR0917 - what the command is asked for
    images: Path | None, folder: Path, cache: Path, port: int | None, origin: str, console: Console
) -> None:
    """Follows the pipeline until Ctrl-C, then stops everything."""
    check_machine()
    free_port(port)  # now, and not when all else is done
    images = checked(images, folder)
    with exclusive(folder):
        _run(images, folder, cache, port, origin, console)


def _run(  # noqa: PLR0913, PLR0917 - the same
    images: Path | None, folder: Path, cache: Path, port: int | None, origin: str, console: Console
) -> None:
    if images is None:
        console.print(NO_FOLDER)
    with console.status("training the local model, packaging, deploying ..."):
        photographs = collection(images, folder / "leaves")
        classifier = photographs.classifier(cache, lambda: None)
        packaged = package(folder / "package")
    wanted = labels_of_interest(list(photographs.to_train))
    sample = next(path for paths in photographs.to_try.values() for path in paths)
    try:
        with local.running(
            folder,
            packaged,
            classifier,
            labels_of_interest=wanted,
            min_confidence=MIN_CONFIDENCE,
            port=port,
            upload_origin=origin,
        ) as session:
            console.print(f"Labels of interest: {wanted}; MinConfidence {MIN_CONFIDENCE:g}.")
            console.print(
                f"Endpoint: {session.local_aws.endpoint}\nUpload from another terminal, as often as you like:\n"
            )
            console.print(upload_line(session.local_aws.endpoint, sample), soft_wrap=True)
            token = tokens.create(session.tokens, CLIENT)
            console.print("\nOr without AWS credentials, through an presigned upload (both lines):\n")
            console.print(f"API={session.api} TOKEN={token}", soft_wrap=True)
            console.print(curl_uploads.upload_line(sample.absolute()), soft_wrap=True)
            console.print("\nWho may ask for presigned uploads:\n")
            console.print(command_line(session.local_aws.endpoint, "tokens", "list"), soft_wrap=True)
            console.print("\nWhat was predicted so far, as a page; labelwatch athena query works alike:\n")
            console.print(command_line(session.local_aws.endpoint, "report"), soft_wrap=True)
            console.print(
                "\nFor all else that docs/operations.md tells of, first (aws sqs wants --endpoint-url, too):\n"
            )
            console.print(variables(session), soft_wrap=True)
            console.print("\nWhat becomes of each image is told here. Ctrl-C stops everything.\n")
            _follow(session, console)
    except KeyboardInterrupt:
        console.print("\nStopped.")


def upload_line(endpoint: str, sample: Path) -> str:
    """An upload that works as printed, in the shell of the project's folder or any other."""
    target = f"s3://{local.INPUT_BUCKET}/field 1/{sample.name}"
    command = [_beside("aws"), "--endpoint-url", endpoint, "s3", "cp", str(sample.absolute()), target]
    return f"{_AS_ROOT} {shlex.join(command)}"


def command_line(endpoint: str, *words: str) -> str:
    """A command of labelwatch on this cloud."""
    return f"AWS_ENDPOINT_URL={endpoint} {_AS_ROOT} {shlex.join([_beside('labelwatch'), *words])}"


def variables(session: Session) -> str:
    """A line that has labelwatch and aws speak to this cloud, and to the local model."""
    path = f'PATH="{Path(sys.executable).parent}:$PATH"'
    endpoints = f"AWS_ENDPOINT_URL={session.local_aws.endpoint} AWS_ENDPOINT_URL_REKOGNITION={session.rekognition}"
    return f"export {path} {endpoints} {_AS_ROOT}"


def _beside(command: str) -> str:
    return str(Path(sys.executable).with_name(command))


def _follow(session: Session, console: Console) -> None:
    watch = OutcomeReader(session)
    told = 0
    while True:
        mails = session.mailbox.mails[told:]
        told += len(mails)
        everything: list[News] = [*watch.new_predictions(), *watch.new_dead_letters(), *mails]
        for news in everything:
            console.print(f"{time.strftime('%H:%M:%S')}  {in_words(news)}", soft_wrap=True)
        time.sleep(SECONDS_BETWEEN_LOOKS)


def in_words(news: News) -> str:
    """One line for the terminal: keys and labels may hold what it would obey."""
    return printable(_said(news))


def _said(news: News) -> str:
    match news:
        case PredictionOutcome(key=key, labels=labels):
            return f"{key}: {', '.join(f'{name} {sure:.1f} %' for name, sure in labels) or 'no label'}"
        case DeadLetterOutcome(reason=reason, detail=detail):
            return f"{news.key}: dead letter, {reason} ({detail})"
        case Mail(subject=subject, file=file):
            return f"alert: {subject} -> {file}"
