"""Checks of the functions, their invocations and the REST API: deployed, with the stack's settings, and limited."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.adapters.aws_lambda import rest_api_id
from chalicelib.domain.times import time_zone
from chalicelib.settings import Settings
from labelwatch.deploy import request_limits, stage
from labelwatch.doctor.check import MISSING, Outcome, failed, passed, warned
from labelwatch.doctor.deployment import REVERT_DRIFT, Deployment

REPORTS, TYPES = Settings.partial_batch_responses, "FunctionResponseTypes"
API, SCHEDULE = "apigateway.amazonaws.com", "events.amazonaws.com"
# The functions that AWS may invoke by a permission of their own; Lambda polls the queues of the others.
INVOKERS = {
    "api_handler": API,
    "authorize": API,
    "check_subscriptions": SCHEDULE,
    "manage_model": SCHEDULE,
    "ingest": "s3.amazonaws.com",
}
# By app.py.
RATES = {"check_subscriptions": "rate(1 hour)", "manage_model": "rate(1 minute)"}


def check_functions(deployment: Deployment) -> Iterator[Outcome]:
    """Whether each function is deployed, with its own role and the stack's settings."""
    functions_by_problem: defaultdict[str, list[str]] = defaultdict(list)
    for name, function in deployment.function_names.items():
        for problem in _problems(deployment, name, _configuration(deployment, function)):
            functions_by_problem[problem].append(name)
    for problem, names in functions_by_problem.items():
        yield failed(f"{problem}: {', '.join(names)}.", deployment.redeploy)
    if not functions_by_problem:
        yield passed(f"{len(deployment.function_names)} functions with the stack's settings and roles.")


def check_batch_responses(deployment: Deployment) -> Iterator[Outcome]:
    """Whether a function that reports failed messages has a mapping that reads the report: else they are lost.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html.
    """
    lossy = []
    for name, queue in (("detect", "ImagesQueueArn"), ("notify", "PredictionsQueueArn")):
        reports = _variables(_configuration(deployment, deployment.function_names[name])).get(REPORTS.variable) == "yes"
        read = all("ReportBatchItemFailures" in mapping.get(TYPES, []) for mapping in deployment.mappings(queue))
        lossy += [name] if reports and not read else []
    if lossy:
        yield failed(
            f"Failed messages are lost: {' and '.join(lossy)} reports them, and the event source mapping ignores that.",
            f"Remove {REPORTS.variable} from the stage and run `chalice deploy`, or update the stack.",
        )
    else:
        yield passed("Failed messages return to their queue.")


def check_invocations(deployment: Deployment) -> Iterator[Outcome]:
    """Whether AWS may invoke each function, and invokes those of a schedule."""
    deployed = {
        name: configuration["FunctionArn"]
        for name, function in deployment.function_names.items()
        if (configuration := _configuration(deployment, function))
    }
    problems = [
        *_forbidden_invocations(deployment, deployed),
        *(
            problem
            for name in RATES
            if name in deployed
            for problem in _schedule_problems(deployment, name, deployed[name])
        ),
    ]
    for problem in problems:
        yield failed(problem, deployment.redeploy)
    if not problems:
        yield passed(f"API Gateway may invoke the functions, and {len(RATES)} schedules do.")


def check_time_zone(deployment: Deployment) -> Iterator[Outcome]:
    """Whether the time zone of alerts exists; a function with an unknown zone continues with UTC."""
    name = deployment.values["TimeZone"]
    if time_zone(name):
        yield passed(f"{name}.")
    else:
        yield warned(
            f"{name!r} is not a time zone. Alerts have times in UTC.",
            "Run `labelwatch up --time-zone` with a name such as Europe/Berlin.",
        )


def check_api(deployment: Deployment) -> Iterator[Outcome]:
    """Whether the REST API exists and its stage has the template's limits of requests."""
    function = deployment.function_names["api_handler"]
    api = deployment.values.get("RestAPIId") or rest_api_id(deployment.client("lambda"), function)
    if not api:
        yield failed("No REST API may invoke the function api_handler.", deployment.redeploy)
        return
    limits = request_limits.of_template()
    missing = request_limits.differing(deployment.client("apigateway"), api, limits)
    if missing:
        yield failed(
            f"{len(missing)} of {len(limits)} limits of requests are missing or different.",
            REVERT_DRIFT if deployment.is_template else f"Run `labelwatch up{deployment.stage_option}`.",
        )
    else:
        rates = [value for path, value in limits.items() if path.endswith("rateLimit")]
        yield passed(f"At most {max(rates):g} requests per second, {min(rates):g} for picture pages.")


def _problems(deployment: Deployment, name: str, configuration: dict[str, Any]) -> Iterator[str]:
    if not configuration:
        yield "Not deployed"
        return
    if configuration["Role"] != deployment.values[stage.ROLES[name]]:
        yield "Not with its own role"
    if configuration["Timeout"] < (timeout := stage.timeout(name)):
        yield f"Timeout under {timeout} seconds"
    if _is_throttled(deployment, deployment.function_names[name]):
        yield "Throttled: the reserved concurrency is 0"
    variables = _variables(configuration)
    expected = {variable: deployment.values[output] for variable, output in stage.VARIABLES.items()}
    expected["EXISTING_BUCKET_NAME"] = deployment.existing_bucket
    differing = [variable for variable, value in expected.items() if variables.get(variable, "") != value]
    if expected.keys().isdisjoint(variables):
        yield "Without the stack's settings"
    elif differing:
        yield f"Other values than the stack ({', '.join(differing)})"


def _is_throttled(deployment: Deployment, function: str) -> bool:
    answer = deployment.client("lambda").get_function_concurrency(FunctionName=function)
    return bool(answer.get("ReservedConcurrentExecutions", 1) == 0)


def _forbidden_invocations(deployment: Deployment, deployed: dict[str, str]) -> Iterator[str]:
    for name, service in INVOKERS.items():
        if name in deployed and service not in _invokers_of(deployment, deployment.function_names[name]):
            yield f"{service} has no permission to invoke {name}."


def _invokers_of(deployment: Deployment, function: str) -> set[str]:
    """The services that the function's own policy allows."""
    try:
        policy = json.loads(deployment.client("lambda").get_policy(FunctionName=function)["Policy"])
    except ClientError as problem:
        if not MISSING.search(problem.response["Error"]["Code"]):
            raise
        return set()
    principals = [statement.get("Principal") for statement in policy["Statement"]]
    return {principal.get("Service", "") for principal in principals if isinstance(principal, dict)}


def _schedule_problems(deployment: Deployment, name: str, arn: str) -> Iterator[str]:
    events = deployment.client("events")
    rules = [events.describe_rule(Name=rule) for rule in events.list_rule_names_by_target(TargetArn=arn)["RuleNames"]]
    enabled = [rule.get("ScheduleExpression", "by events") for rule in rules if rule["State"] == "ENABLED"]
    if not rules:
        yield f"No schedule invokes {name}."
    elif not enabled:
        yield f"The schedule {rules[0]['Name']} of {name} is disabled."
    elif RATES[name] not in enabled:
        yield f"The schedule of {name} is {', '.join(enabled)} instead of {RATES[name]}."


def _variables(configuration: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = configuration.get("Environment", {}).get("Variables", {})
    return found


def _configuration(deployment: Deployment, function: str) -> dict[str, Any]:
    """The function's configuration, empty where it does not exist."""
    if not function:
        return {}
    try:
        found: dict[str, Any] = deployment.client("lambda").get_function_configuration(FunctionName=function)
    except ClientError as problem:
        if not MISSING.search(problem.response["Error"]["Code"]):
            raise
        return {}
    return found
