"""The registry of checks, and the examination of a deployment by all of them at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from labelwatch.deploy import stage
from labelwatch.doctor import account as of_account
from labelwatch.doctor import buckets, functions, model, monitoring, queues, readers, roles, stage_file, table
from labelwatch.doctor.check import AWS_ERRORS, Check, Outcome, failed, outcome_of, passed, run, warned
from labelwatch.doctor.deployment import Deployment
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError
from labelwatch.shared.findings import Finding
from labelwatch.shared.stacks import Stack, Stacks

CHECKS = (
    Check("Region", of_account.check_region, needs_stack=False),
    Check("Lambda concurrency", of_account.check_concurrency, needs_stack=False),
    Check("SMS", of_account.check_sms, needs_stack=False),
    Check("Running models", of_account.check_running_models, needs_stack=False),
    Check("Model", model.check_model),
    Check("Labels of interest", model.check_labels),
    Check("Functions", functions.check_functions),
    Check("Failed messages", functions.check_batch_responses),
    Check("Invocations", functions.check_invocations),
    Check("Roles", roles.check_roles),
    Check("Time zone", functions.check_time_zone),
    Check("REST API", functions.check_api),
    Check("Stage file", stage_file.check_stage_file),
    Check("Polling", model.check_polling),
    Check("Event notifications", queues.check_notifications),
    Check("Queues", queues.check_queues),
    Check("Waiting images", queues.check_waiting),
    Check("Dead letters", queues.check_dead_letters),
    Check("Buckets", buckets.check_buckets),
    Check("Access logs", buckets.check_access_logs),
    Check("Subscriptions", readers.check_subscriptions),
    Check("Athena tables", readers.check_tables),
    Check("Table", table.check_table),
    Check("Alarms", monitoring.check_alarms),
    Check("Logs", monitoring.check_logs),
)
CHECKS_AT_ONCE = 8
COMPLETE = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}
# Only with an existing bucket.
OPTIONAL_OUTPUTS = {stage.ROLES["ingest"]}

type OnCheck = Callable[[str], None]


def examine(
    account: Account, name: str, options: str, on_check: OnCheck = lambda _: None, config: Path = stage.CONFIG
) -> list[Finding]:
    """The findings of all checks, in the order of the registry; `on_check` gets the name of each that ends.

    Without credentials, nothing can be checked. Without a complete stack, only the checks that need none run.
    """
    try:
        account_id = account.id
    except UserError as problem:
        return [_finding("Credentials", failed(str(problem), ""))]
    stack, outcome = _stack(account, name)
    deployment = Deployment(account, name, stack, options, config)
    checks = [check for check in CHECKS if stack or not check.needs_stack]

    def run_one(check: Check) -> list[Finding]:
        findings = run(check, deployment)
        on_check(check.name)
        return findings

    with ThreadPoolExecutor(CHECKS_AT_ONCE) as pool:
        found = list(pool.map(run_one, checks))
    first = [
        _finding("Credentials", passed(f"Account {account_id} in {account.region}.")),
        _finding("Stack", outcome),
    ]
    return [*first, *(finding for findings in found for finding in findings)]


def _stack(account: Account, name: str) -> tuple[Stack | None, Outcome]:
    """The stack if the checks can use it, and what to say of it."""
    try:
        stack = Stacks(account.client("cloudformation")).find(name)
    except AWS_ERRORS as problem:
        return None, outcome_of(problem)
    if not stack:
        return None, warned(
            f"No stack named {name} in {account.region} yet.", "Run `labelwatch up`, or pass --stack or --region."
        )
    if stack.status.endswith("_IN_PROGRESS"):
        return None, warned(f"{name} is {stack.status}.", "Run the command again in a few minutes.")
    missing = {*stage.ROLES.values(), *filter(None, stage.VARIABLES.values())} - OPTIONAL_OUTPUTS - set(stack.values)
    if missing:
        return None, failed(
            f"{name} ({stack.status}) has no output {', '.join(sorted(missing))}.",
            "Check that it is a Labelwatch stack, and update it to this version.",
        )
    if stack.status not in COMPLETE:
        return stack, failed(f"{name} is {stack.status}.", "See the events of the stack in the CloudFormation console.")
    return stack, passed(f"{name} is {stack.status}.")


def _finding(check: str, outcome: Outcome) -> Finding:
    return Finding(check=check, result=outcome.result, found=outcome.found, action=outcome.action)
