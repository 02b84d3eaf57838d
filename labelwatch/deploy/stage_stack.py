"""The stack of a stage, for `up` and `down`: its name, its desired state, and the stacks that they reject."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from labelwatch.deploy import stage
from labelwatch.deploy.packaging import PACKAGING_STAGE
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError
from labelwatch.shared.stacks import Resource, Stack

# The logical ids of the buckets that hold data.
BUCKETS = ("InputBucket", "OutputBucket", "WorkspaceBucket")
# The names that Chalice gives to schedules; EventBridge allows 64 characters.
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
SCHEDULE_NAME = "labelwatch-{stage}-{function}-event"
LONGEST_SCHEDULED_FUNCTION = "check_subscriptions"
MAX_STAGE_NAME = 64 - len(SCHEDULE_NAME.format(stage="", function=LONGEST_SCHEDULED_FUNCTION))
# A stack X-detect would have X's names: that of its REST API's function is X-detect, as that of its log group.
FUNCTION_NAMES = "|".join(name for name in stage.ROLES if "_" not in name)  # a stage's name has no underscore
STAGE_NAME = rf"[a-z][a-z0-9-]{{0,{MAX_STAGE_NAME - 2}}}[a-z0-9]|[a-z]"
# Every complete stack of Labelwatch has this resource; a stack that only imported its buckets does not.
MARKER_RESOURCE = "ImagesQueue"


class DesiredStack(NamedTuple):
    """A stack's name and parameters, and its present state: `current` is None where the stack does not exist.

    `physical_ids` are the names in the account of the stack's resources, by logical id.
    """

    name: str
    parameters: dict[str, str]
    current: Stack | None = None
    physical_ids: Mapping[str, str] = MappingProxyType({})

    @property
    def bucket_names(self) -> dict[str, str]:
        """The desired names of the three buckets, by logical id."""
        output = self.parameters["OutputBucketName"]
        return dict(zip(BUCKETS, (self.parameters["InputBucketName"], output, f"{output}-workspace"), strict=True))


def stack_name_of(stage_name: str) -> str:
    """The name of the stage's stack; raises UserError where the stage's name is not valid."""
    if re.search(rf"(^|-)({FUNCTION_NAMES})$", stage_name):
        raise UserError(
            f"--stage {stage_name!r} is reserved: its stack would share names with functions of another stack. Use a "
            "name that does not end with the name of a function, such as prod."
        )
    if stage_name == PACKAGING_STAGE or not re.fullmatch(STAGE_NAME, stage_name):
        raise UserError(
            f"--stage {stage_name!r} is not a stage name. Use 1 to {MAX_STAGE_NAME} lower-case letters, digits and "
            f"hyphens, a letter first and no hyphen last, such as prod. {PACKAGING_STAGE!r} is reserved."
        )
    return f"labelwatch-{stage_name}"


def refuse_other_account(account: Account, config: Path, stage_name: str) -> None:
    """Raises UserError where the stage belongs to another Region or account: one stage has one stack."""
    region_and_account = stage.region_and_account(config, stage_name)
    if region_and_account and region_and_account != (account.region, account.id):
        region, owner = region_and_account
        raise UserError(
            f"Stage {stage_name} belongs to account {owner} in {region}, but this is account {account.id} in "
            f"{account.region}. Pass --profile or --region, or choose another --stage."
        )


def refuse_other_stacks(stack_name: str, resources: list[Resource]) -> None:
    """Raises UserError where the stack is not Labelwatch's, or includes the functions (CloudFormation deployment)."""
    logical_ids = {resource.logical_id for resource in resources}
    if logical_ids - set(BUCKETS) and MARKER_RESOURCE not in logical_ids:
        raise UserError(f"Stack {stack_name} is not a Labelwatch stack. Choose another --stage.")
    if any(resource.resource_type == "AWS::Lambda::Function" for resource in resources):
        raise UserError(
            f"Stack {stack_name} was created by CloudFormation and includes the functions. Update or delete it with "
            "CloudFormation, or choose another --stage."
        )


def could_not_delete(stack_name: str, reasons: list[str]) -> str:
    """The message of a stack whose deletion failed."""
    why = "; ".join(reason.rstrip(".") for reason in reasons)
    return f"Could not delete stack {stack_name}: {why}. Remove the cause, then run the command again."
