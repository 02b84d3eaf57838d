"""The functions that `chalice deploy` created for a stage."""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from labelwatch.deploy.stage import ROLES

if TYPE_CHECKING:
    from labelwatch.shared.account import Account, Clients


def chalice_name(stack: str, function: str) -> str:
    """The name that Chalice gives to a function; that of the REST API has application and stage only."""
    return stack if function == "api_handler" else f"{stack}-{function}"


def function_names(stack: str) -> dict[str, str]:
    """The functions of the stage by their names in AWS, each with its name in the configuration."""
    return {chalice_name(stack, name): name for name in ROLES}


def deployed(account: "Clients", stack: str) -> list[dict[str, Any]]:
    """The configuration of each function of the stage that exists."""
    client = account.client("lambda")
    found: list[dict[str, Any]] = []
    for name in ROLES:
        try:
            found.append(client.get_function_configuration(FunctionName=chalice_name(stack, name)))
        except ClientError as problem:
            if problem.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
    return found


def traced(account: "Clients", stack: str) -> list[str]:
    """The names of the functions that X-Ray traces."""
    return [
        function["FunctionName"]
        for function in deployed(account, stack)
        if function.get("TracingConfig", {}).get("Mode") == "Active"
    ]


def stop_tracing(account: "Account", names: list[str]) -> None:
    """Turns X-Ray tracing off, which Chalice never does. When it returns, the functions can be deployed again."""
    client = account.client("lambda")
    ready = client.get_waiter("function_updated_v2")
    for name in names:
        ready.wait(FunctionName=name)
        client.update_function_configuration(FunctionName=name, TracingConfig={"Mode": "PassThrough"})
    for name in names:
        ready.wait(FunctionName=name)
