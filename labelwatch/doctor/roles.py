"""The check of each function's role, by IAM's own simulation of its policies."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3

from labelwatch.deploy import functions, stage
from labelwatch.doctor.check import Outcome, failed, passed
from labelwatch.doctor.deployment import Deployment
from labelwatch.doctor.rights import FORBIDDEN, LEADING_KEYS, Right, required_of

CALLS_AT_ONCE = 4
ACTION = "Restore the role's policy in the IAM console, as in infra/resources.yaml."


def check_roles(deployment: Deployment) -> Iterator[Outcome]:
    """Whether each role may do what its function calls, and nothing that it must not."""
    names = [name for name, output in stage.ROLES.items() if output in deployment.values]
    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        found = list(pool.map(lambda name: list(_problems(deployment, name)), names))
    for problem in (problem for problems in found for problem in problems):
        yield failed(problem, ACTION)
    if not any(found):
        yield passed(f"{len(names)} roles have the rights that they need, and none that they must not have.")


def _problems(deployment: Deployment, function: str) -> Iterator[str]:
    required = list(required_of(function, deployment.values))
    # The local AWS simulates without context keys.
    judged = [right for right in required if not (right.context and deployment.is_local)]
    refused = [
        right._replace(context=right.context._replace(value=right.context.refused)) for right in judged if right.context
    ]
    missing = _actions(deployment, function, judged, allowed=False)
    excessive = _actions(deployment, function, (*FORBIDDEN, *refused), allowed=True)
    if missing:
        yield f"The role of {function} lacks {', '.join(missing)}."
    if excessive:
        yield f"The role of {function} must not have {', '.join(excessive)}."


def _actions(deployment: Deployment, function: str, rights: Iterable[Right], *, allowed: bool) -> list[str]:
    """The actions that IAM allows, or denies, on their resources."""
    names = _names(deployment) | {"function": functions.chalice_name(deployment.name, function)}
    found = [
        f"{result['EvalActionName']} on {result['EvalResourceName']}"
        for right in rights
        for result in _simulated(deployment, function, right, names)
        if (result["EvalDecision"] == "allowed") == allowed
    ]
    return list(dict.fromkeys(found))


def _simulated(deployment: Deployment, function: str, right: Right, names: dict[str, str]) -> list[dict[str, Any]]:
    """IAM's results: https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html."""
    context = right.context
    entries = [
        {
            "ContextKeyName": context.key,
            "ContextKeyValues": [context.value.format(**names)],
            "ContextKeyType": "stringList" if context.key == LEADING_KEYS else "string",
        }
        for context in filter(None, [context])
    ]
    results: list[dict[str, Any]] = deployment.client("iam").simulate_principal_policy(
        PolicySourceArn=deployment.values[stage.ROLES[function]],
        ActionNames=right.actions.split(),
        ResourceArns=[right.resource.format(**names)],
        ContextEntries=entries,
    )["EvaluationResults"]
    return results


def _names(deployment: Deployment) -> dict[str, str]:
    """What the braces in the table of rights stand for."""
    partition = boto3.Session().get_partition_for_region(deployment.region)
    queues = f"arn:{partition}:sqs:{deployment.region}:{deployment.account_id}:"
    values = deployment.values
    return values | {
        "partition": partition,
        "region": deployment.region,
        "account": deployment.account_id,
        "stack": deployment.name,
        "project": values["CustomModelARN"].partition("/version/")[0],
        "ImagesDeadLettersArn": queues + values["ImagesDeadLettersUrl"].rpartition("/")[2],
        "PredictionsDeadLettersArn": queues + values["PredictionsDeadLettersUrl"].rpartition("/")[2],
    }
