"""The functions that `chalice deploy` made of a stage."""

from typing import Any

from botocore.exceptions import ClientError

from labelwatch.aws import Account
from labelwatch.stage import ROLES


def standing(account: Account, stack: str) -> list[dict[str, Any]]:
    """The configuration of each function of the stage that is there."""
    client = account.client("lambda")
    found: list[dict[str, Any]] = []
    for name in ROLES:
        # Chalice gives the REST API's function the name of application and stage alone.
        full = stack if name == "api_handler" else f"{stack}-{name}"
        try:
            found.append(client.get_function_configuration(FunctionName=full))
        except ClientError as problem:
            if problem.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
    return found


def stop_tracing(account: Account, stack: str) -> int:
    """Turns X-Ray off where it is on, and says in how many functions: Chalice only ever turns it on."""
    traced = [one for one in standing(account, stack) if one.get("TracingConfig", {}).get("Mode") == "Active"]
    for function in traced:
        account.client("lambda").update_function_configuration(
            FunctionName=function["FunctionName"], TracingConfig={"Mode": "PassThrough"}
        )
    return len(traced)
