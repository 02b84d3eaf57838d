"""The deployment that is verified: what the checks read and create in its account."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests

from chalicelib.adapters.aws_lambda import ApiAddress
from chalicelib.adapters.dynamodb import IdempotencyTable, LinkTable, TokenTable, UploadTable
from chalicelib.adapters.rekognition import ModelVersion
from chalicelib.adapters.s3 import RowObjects
from chalicelib.adapters.sqs import Queue
from chalicelib.domain import rows
from chalicelib.domain.images import ImageReference
from chalicelib.domain.model import RUNNING
from chalicelib.domain.predictions import Prediction, prediction_id
from chalicelib.domain.rows import Row
from chalicelib.settings import GENERAL_MODEL
from chalicelib.steps.detect import encoded
from labelwatch.dead_letters import OUTPUTS, DeadLetter, dead_letter_queues, receiving
from labelwatch.shared import image_limit, stacks
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError
from labelwatch.shared.image_limit import ImagesToday
from labelwatch.shared.queues import ReceiveOptions
from labelwatch.uploads import tokens
from labelwatch.verify.alert_queue import AlertQueue

# Also the source of the alert, which says to subscribers that it is a test.
CLIENT = "labelwatch-verify-test"
# Everything under it is of this command: no other client has the name.
PREFIX = f"uploads/{CLIENT}/"
# In place of the model's name, in the prediction that no model made.
NO_MODEL = "labelwatch-verify"
# Dead letters of others are hidden for so long at most, if this command is killed.
_RECEIVE_OPTIONS = ReceiveOptions(hidden_seconds=120, patience_seconds=10)
# `chalice local`, and the local AWS.
_LOOPBACK = {"127.0.0.1", "localhost"}
_OUTPUTS = (
    "CustomModelARN", "InputBucket", "OutputBucket", "PredictionsQueueUrl", "TableName", "AlertsTopicArn",
    "LabelsofInterest", "MinConfidence", image_limit.PARAMETER, *OUTPUTS,
)  # fmt: skip


class Expected(NamedTuple):
    """The prediction of an image, by the name of its model: what becomes of it is known before it is made."""

    image: ImageReference
    model: str

    @property
    def id(self) -> str:
        """The prediction's id, which its alert's record has too."""
        return prediction_id(self.image.bucket, self.image.key, self.image.etag, self.model)

    @property
    def row_key(self) -> str:
        """The key of its rows."""
        return rows.row_key_of(self.image, self.model)


class Deployment:
    """A stack with its functions and API."""

    def __init__(self, account: Account, name: str, outputs: dict[str, str], api: str) -> None:
        self.name = name
        self.outputs = outputs
        self.api = api
        self.http = requests.Session()
        self._account = account
        self._s3, self._dynamodb, self._sqs = map(account.client, ("s3", "dynamodb", "sqs"))
        self._rows = RowObjects(self._s3, outputs["OutputBucket"])
        self._records = IdempotencyTable(self._dynamodb, outputs["TableName"], "alert")
        self._tokens = TokenTable(self._dynamodb, outputs["TableName"])

    @property
    def is_chalice(self) -> bool:
        """Whether `chalice deploy` made the functions and the API, and not CloudFormation."""
        return "RestAPIId" not in self.outputs

    @property
    def context(self) -> dict[str, str]:
        """What was verified, without names of the account."""
        return {
            "region": self._account.region,
            "deployment": "Chalice" if self.is_chalice else "CloudFormation",
            "model": "general" if self.outputs["CustomModelARN"] == GENERAL_MODEL else "custom",
        }

    # --- The upload

    def create_token(self) -> str:
        """A token for this command; raises UserError where another run has one."""
        return tokens.create(self._tokens, CLIENT)

    def revoke_token(self) -> None:
        """Revokes the token, whose record stays."""
        tokens.revoke(self._tokens, CLIENT)

    def delete_token(self) -> None:
        """Deletes the token's record too."""
        self._delete_item("token", CLIENT)

    def delete_upload_records(self) -> None:
        """Deletes the records of this command's presigned uploads, and their counts."""
        UploadTable(self._dynamodb, self.outputs["TableName"]).delete(CLIENT)

    def images(self) -> list[ImageReference]:
        """What this command has uploaded, version by version."""
        bucket = self.outputs["InputBucket"]
        pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=PREFIX)
        return [
            ImageReference(
                bucket=bucket, key=version["Key"], version_id=version["VersionId"], etag=version["ETag"].strip('"'),
                size=version["Size"], content_type="", metadata={}, uploaded_at=version["LastModified"],
            )
            for page in pages
            for version in page.get("Versions", [])
        ]  # fmt: skip

    def delete_image(self, image: ImageReference) -> None:
        """Deletes this version of the object, without a delete marker."""
        self._s3.delete_object(Bucket=image.bucket, Key=image.key, VersionId=image.version_id)

    # --- Model, rows and alert

    def model_status(self) -> str:
        """The model's status; RUNNING for general labels, which need no model."""
        if self.outputs["CustomModelARN"] == GENERAL_MODEL:
            return RUNNING
        return ModelVersion(self._account.client("rekognition"), self.outputs["CustomModelARN"]).status()

    def images_today(self) -> ImagesToday:
        """The images of today and their limit."""
        return image_limit.images_today(self._account.client("dynamodb"), self.outputs)

    def send(self, prediction: Prediction) -> None:
        """Sends the prediction to notify, as detect does; raises the Fault that SQS's refusal is."""
        for fault in Queue(self._sqs, self.outputs["PredictionsQueueUrl"]).send([encoded(prediction)]).values():
            raise fault

    def rows_of(self, expected: Expected) -> list[Row]:
        """The rows of the prediction, none before it is stored."""
        return rows.decoded(self._rows.get(expected.row_key) or b"")

    def is_alerted(self, expected: Expected) -> bool:
        """Whether SNS has accepted the alert."""
        return self._records.is_completed(expected.id)

    def subscribe(self) -> AlertQueue:
        """A temporary queue, not yet created."""
        return AlertQueue(self._account, self.name)

    def delete_prediction(self, row_key: str) -> None:
        """Deletes the rows under this key and the alert's record, as far as they exist."""
        self._s3.delete_object(Bucket=self.outputs["OutputBucket"], Key=row_key)
        self._delete_item("alert", PurePath(row_key).stem)

    def delete_links(self) -> None:
        """Deletes the links of this command's alerts, with the predictions that they lead to."""
        links = LinkTable(self._dynamodb, self.outputs["TableName"])
        for link in links.all():
            if link.source == CLIENT:
                self.delete_prediction(link.row_key)
                links.revoke(link.digest)

    # --- Dead letters

    def remove_dead_letters(self) -> list[DeadLetter]:
        """Deletes the dead letters of this command's images with their records, and returns them."""
        warnings: list[str] = []
        with receiving(self._sqs, dead_letter_queues(self.outputs), warnings.append, _RECEIVE_OPTIONS) as reader:
            reader.receive_all()
            own = [dead_letter for dead_letter in reader.dead_letters if _is_own(dead_letter.images)]
            failed = reader.delete(own)
        for dead_letter in own:
            self._delete_item("dead-letter", dead_letter.record_id)
        if failed or warnings:
            raise UserError(" ".join([*warnings, *(f"Not deleted: {reason}." for reason in failed.values())]))
        return own

    def _delete_item(self, kind: str, item_id: str) -> None:
        key: Any = {"kind": {"S": kind}, "id": {"S": item_id}}
        self._dynamodb.delete_item(TableName=self.outputs["TableName"], Key=key)


def from_stack(account: Account, name: str, api: str | None) -> Deployment:
    """The deployment of this stack, with its API at this address or its own; raises UserError without either."""
    outputs = stacks.outputs(account.client("cloudformation"), name, *_OUTPUTS)
    api = api or outputs.get("ApiUrl") or ApiAddress(account.client("lambda"), name, "").find()
    if not api:
        stage = name.removeprefix("labelwatch-")
        raise UserError(f"Stack {name} has no REST API. Run `chalice deploy --stage {stage}`, or pass --api-url.")
    address = urlsplit(api)
    if address.scheme != "https" and not (address.scheme == "http" and address.hostname in _LOOPBACK):
        raise UserError(f"--api-url {api!r} is not an https URL. The command sends a valid upload token to it.")
    return Deployment(account, name, outputs, api.rstrip("/"))


def invented_image(bucket: str, name: str, content_type: str) -> ImageReference:
    """A reference to no object, for a prediction that needs none."""
    now = datetime.now(UTC)
    etag = hashlib.sha256(now.isoformat().encode()).hexdigest()[:32]
    return ImageReference(
        bucket=bucket, key=f"{PREFIX}{now:%Y-%m-%d}/{etag[:16]}-{name}", version_id=None, etag=etag, size=0,
        content_type=content_type, metadata={}, uploaded_at=now,
    )  # fmt: skip


def _is_own(images: Sequence[Any]) -> bool:
    return bool(images) and all(image.key.startswith(PREFIX) for image in images)
