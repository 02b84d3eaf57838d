"""The check of the DynamoDB table: tokens, links, and the records that prevent a second alert."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from labelwatch.doctor.check import MISSING, Outcome, failed, passed, warned
from labelwatch.doctor.deployment import Deployment

ON = {"ENABLED", "ENABLING"}


def check_table(deployment: Deployment) -> Iterator[Outcome]:
    """Whether the table exists, deletes expired items, and can be restored."""
    name, dynamodb = deployment.values["TableName"], deployment.client("dynamodb")
    try:
        expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    except ClientError as problem:
        if not MISSING.search(problem.response["Error"]["Code"]):
            raise
        yield failed(
            f"Table {name} does not exist. Without the table, no alert is sent and no token is valid.",
            "In the DynamoDB console, restore the table's system backup under the same name. Then run doctor again.",
        )
        return
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    problems: dict[str, str] = {}
    if expiry["TimeToLiveStatus"] not in ON:
        problems["keeps expired items"] = "Turn on TTL with the attribute expires_at in the DynamoDB console."
    if backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") not in ON:
        problems["has no backups"] = "Turn on point-in-time recovery in the DynamoDB console."
    for lack, action in problems.items():
        yield warned(f"Table {name} {lack}.", action)
    if not problems:
        yield passed("Expired items are deleted, and the table can be restored.")
