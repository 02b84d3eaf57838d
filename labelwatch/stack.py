"""A CloudFormation stack through a change set, and the words of whatever resource failed."""

import copy
import time
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from labelwatch.errors import UserError


def deploy(
    cloudformation: Any,  # noqa: ANN401 - the client of any endpoint
    name: str,
    template_url: str,
    parameters: dict[str, str],
    poll_seconds: float = 1,
) -> dict[str, str]:
    """Creates the stack from the template and gives its outputs; raises UserError with the failed resource's words."""
    change_set = f"{name}-{int(time.time())}"
    where = {"StackName": name, "ChangeSetName": change_set}
    waiting = {"Delay": poll_seconds, "MaxAttempts": int(600 / poll_seconds)}
    try:
        cloudformation.create_change_set(
            **where,
            ChangeSetType="CREATE",
            TemplateURL=template_url,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        cloudformation.get_waiter("change_set_create_complete").wait(**where, WaiterConfig=waiting)
        cloudformation.execute_change_set(**where)
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=waiting)
    except (ClientError, WaiterError) as problem:
        raise UserError(f"the stack {name} was not created: {_why(cloudformation, name) or problem}") from None
    return outputs(cloudformation, name)


def outputs(cloudformation: Any, name: str) -> dict[str, str]:  # noqa: ANN401 - the client of any endpoint
    """The outputs of the stack; raises UserError where there is no such stack."""
    try:
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as problem:
        if problem.response["Error"]["Code"] != "ValidationError":
            raise
        where = cloudformation.meta.region_name
        raise UserError(
            f"there is no stack {name} in {where}; name it with --stack, its Region with AWS_DEFAULT_REGION."
        ) from None
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def pointing_at(template: dict[str, Any], bucket: str, key: str) -> dict[str, Any]:
    """The template with its functions' code at this object, which must lie in the stack's Region."""
    pointing: dict[str, Any] = copy.deepcopy(template)
    for resource in pointing["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": bucket, "Key": key}
    return pointing


def _why(cloudformation: Any, name: str) -> str:  # noqa: ANN401 - the client of any endpoint
    try:
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    except ClientError:
        return ""
    failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
    return "; ".join(f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', '?')}" for one in failed)
