"""The whole of it, running on one machine: the local model, the cloud, the deployed package and the mailbox."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.adapters.dynamodb import TokenTable
from labelwatch.analytics import TABLES, Athena, Tables
from labelwatch.deploy.package import Package
from labelwatch.local import deployment, ministack, rekognition_api
from labelwatch.local.mailbox import Mailbox
from labelwatch.local.ministack import LocalAws
from labelwatch.local.model import Classifier, LocalModel, model_arn

ADDRESS = "grower@example.com"
INPUT_BUCKET = "labelwatch-images"
OUTPUT_BUCKET = "labelwatch-predictions"


@dataclass(frozen=True)
class Session:
    """What runs; `outputs` are the stack's, `rekognition` is where the local model answers."""

    local_aws: LocalAws
    rekognition: str
    local_model: LocalModel
    mailbox: Mailbox
    athena: Athena
    outputs: dict[str, str]

    @property
    def api(self) -> str:
        """The REST API's address, without a slash at its end."""
        return deployment.api_url(self.local_aws, self.outputs)

    @property
    def tokens(self) -> TokenTable:
        """The stack's upload tokens."""
        return TokenTable(self.local_aws.client("dynamodb"), self.outputs["TableName"])


@contextmanager
def running(  # noqa: PLR0913 - what a deployment is asked for, by name
    folder: Path,
    package: Package,
    classifier: Classifier,
    *,
    labels_of_interest: str,
    min_confidence: float,
    port: int | None = None,
    upload_origin: str = "",
) -> Iterator[Session]:
    """Everything up, deployed and with its table, until the block ends; `folder` takes the state and the mail."""
    objects: dict[str, Any] = {}

    def read(bucket: str, key: str, version: str | None) -> bytes:
        which = {"VersionId": version} if version else {}
        content: bytes = objects["s3"].get_object(Bucket=bucket, Key=key, **which)["Body"].read()
        return content

    model = LocalModel(classifier, model_arn(ministack.REGION), read)
    with (
        rekognition_api.served(model.operations) as rekognition,
        ministack.running(folder / "cloud", rekognition, port) as here,
    ):
        objects["s3"] = here.client("s3")
        outputs = deployment.deploy(
            here,
            package,
            {
                "CustomModelARN": model.arn,
                "EmailNotification": ADDRESS,
                "InputBucketName": INPUT_BUCKET,
                "LabelsofInterest": labels_of_interest,
                "MinConfidence": f"{min_confidence:g}",
                "OutputBucketName": OUTPUT_BUCKET,
                "UploadOrigin": upload_origin,
            },
        )
        athena = Athena(here.client("athena"), outputs["DatabaseName"], outputs["WorkgroupName"])
        tables = Tables(athena, here.client("glue"), outputs["DatabaseName"], outputs["OutputBucket"])
        for name in TABLES:
            tables.create(name)
        mailbox = Mailbox(here.client("sqs"), here.client("sns"), outputs["AlertsTopicArn"], ADDRESS, folder / "alerts")
        with closing(mailbox):
            yield Session(here, rekognition, model, mailbox, athena, outputs)
