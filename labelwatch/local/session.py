"""All that runs on this machine: the local model, the local AWS, the deployed package and the mailbox."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.adapters.dynamodb import TokenTable
from labelwatch.analytics import TABLES, Athena, Tables
from labelwatch.deploy import Package
from labelwatch.local import deployment, ministack, rekognition_api
from labelwatch.local.host import package_for_host
from labelwatch.local.mailbox import Mailbox
from labelwatch.local.ministack import LocalAws
from labelwatch.local.model import Classifier, LocalModel, model_arn

ADDRESS = "grower@example.com"
INPUT_BUCKET = "labelwatch-images"
OUTPUT_BUCKET = "labelwatch-predictions"


@dataclass(frozen=True)
class Session:
    """`outputs` are the stack's outputs, `rekognition` is the URL of the local model."""

    local_aws: LocalAws
    rekognition: str
    local_model: LocalModel
    mailbox: Mailbox
    athena: Athena
    outputs: dict[str, str]

    @property
    def api(self) -> str:
        """The REST API's address, without a slash at its end."""
        return self.outputs["ApiUrl"]

    @property
    def tokens(self) -> TokenTable:
        """The stack's upload tokens."""
        return TokenTable(self.local_aws.client("dynamodb"), self.outputs["TableName"])


@contextmanager
def running(  # noqa: PLR0913 - the parameters of a deployment, by name
    folder: Path,
    package: Package,
    classifier: Classifier,
    *,
    labels_of_interest: str,
    min_confidence: float,
    port: int | None = None,
    upload_origin: str = "",
) -> Iterator[Session]:
    """Starts, deploys and creates the tables; stops all when the block ends. `folder` takes the state and the mail."""
    clients: dict[str, Any] = {}  # the model's reader comes before the local AWS that it reads from

    def read(bucket: str, key: str, version: str | None) -> bytes:
        parameters = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
        content: bytes = clients["s3"].get_object(**parameters)["Body"].read()
        return content

    model = LocalModel(classifier, model_arn(ministack.REGION), read)
    with (
        rekognition_api.served(model.operations) as rekognition,
        ministack.running(folder / "aws", rekognition, port, upload_origin) as local_aws,
    ):
        clients["s3"] = local_aws.client("s3")
        outputs = deployment.deploy(
            local_aws,
            package_for_host(package, folder),
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
        athena = Athena(local_aws.client("athena"), outputs["DatabaseName"], outputs["WorkgroupName"])
        tables = Tables(athena, local_aws.client("glue"), outputs["DatabaseName"], outputs["OutputBucket"])
        for name in TABLES:
            tables.create(name)
        mailbox = Mailbox(
            local_aws.client("sqs"), local_aws.client("sns"), outputs["AlertsTopicArn"], ADDRESS, folder / "alerts"
        )
        with closing(mailbox):
            yield Session(local_aws, rekognition, model, mailbox, athena, outputs)
