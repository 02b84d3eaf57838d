"""`labelwatch up`: creates or updates the resources stack of a stage, and writes the stage for `chalice deploy`.

Read the present state, show the settings, check, plan, confirm, apply, write the stage, compare Chalice's file with
the account, limit the requests to the REST API, print the next commands.
"""

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from chalicelib.domain.errors import Fault
from chalicelib.settings import GENERAL_MODEL
from labelwatch.deploy import (
    deployed_file,
    functions,
    import_buckets,
    parameters,
    preflight,
    questions,
    request_limits,
    settings_table,
    stage,
)
from labelwatch.deploy.buckets import StackBuckets
from labelwatch.deploy.packaging import check_python, resources
from labelwatch.deploy.stack_changes import StackChanges
from labelwatch.deploy.stage_stack import (
    DesiredStack,
    could_not_delete,
    refuse_other_account,
    refuse_other_stacks,
    stack_name_of,
)
from labelwatch.shared import regions
from labelwatch.shared.account import Account
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError
from labelwatch.shared.stacks import Stack, Stacks

# The states of a stack that was never created: CloudFormation can only delete it.
LEFTOVERS = {
    "ROLLBACK_COMPLETE": "its creation failed",
    "ROLLBACK_FAILED": "its creation failed",
    "REVIEW_IN_PROGRESS": "its creation waits for confirmation, perhaps by a colleague",
}
UPDATABLE = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}


def run(  # noqa: PLR0913 - a command's options
    account: Account,
    stage_name: str,
    options: dict[str, str],
    terminal: Terminal,
    tags: dict[str, str],
    *,
    config: Path = stage.CONFIG,
) -> None:
    """Creates or updates the stage's stack with these parameters, writes the stage, and prints the next commands."""
    check_python()
    stack_name = stack_name_of(stage_name)
    stacks = Stacks(account.client("cloudformation"))
    terminal.print(f"Stack {stack_name} in account {account.id}, Region {account.region}")
    regions.require_rekognition(account.region)
    refuse_other_account(account, config, stage_name)
    found = find_stack(stacks, stack_name)
    current = None if found and found.status in LEFTOVERS else found
    resource_names = _resource_names(stacks, stack_name, current)
    if current:
        stage.check(config, stage_name, stack_name, current.values)
    template = resources()
    values = _values(account, template, stage_name, options, current=current, terminal=terminal)
    desired = DesiredStack(stack_name, values, current, resource_names)
    terminal.print("\nChecks")
    for finding in preflight.findings(account, desired):
        terminal.console.print(f"  {'!' if finding.is_warning else '✓'} {finding.text}")
    kept = preflight.kept_buckets(account, desired)
    if found and not current:
        _delete_leftovers(stacks, stack_name, found.status, terminal)
    tags = kept_tags(current) | tags | {"application": "labelwatch", "stack": stack_name}
    changes = StackChanges(stacks, desired, template, tags, terminal)
    outputs = _change_stack(changes, kept, StackBuckets(account))
    _write_stage(config, stage_name, stack_name, outputs, terminal)
    if current and outputs["Tracing"] == "no":
        _turn_traces_off(account, stack_name, terminal)
    _compare_deployed_file(account, stack_name, deployed_file.path_of(config, stage_name), outputs, terminal)
    limited = _limit_requests(account, stack_name, terminal)
    _print_next_commands(account, stage_name, outputs, terminal, limited=limited)


def find_stack(stacks: Stacks, name: str) -> Stack | None:
    """The stack, if it exists; raises UserError where an operation is in progress or has left the stack broken."""
    stack = stacks.find(name)
    if stack and stack.status not in {*UPDATABLE, *LEFTOVERS}:
        advice = (
            "Run the command again in a few minutes."
            if stack.status.endswith("_IN_PROGRESS")
            else "Continue its rollback or delete the stack in the CloudFormation console."
        )
        raise UserError(f"Stack {name} is {stack.status}. {advice}")
    return stack


def kept_tags(current: Stack | None) -> dict[str, str]:
    """The present stack's tags without AWS's own, which begin with `aws:`."""
    tags = current.tags if current else {}
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}


def _resource_names(stacks: Stacks, stack_name: str, current: Stack | None) -> dict[str, str]:
    """The names of the present stack's resources, by logical id; raises UserError where `up` must not change it."""
    existing = stacks.resources(stack_name) if current else []
    refuse_other_stacks(stack_name, existing)
    return {resource.logical_id: resource.physical_id for resource in existing}


def _values(  # noqa: PLR0913 - each by its name
    account: Account,
    template: dict[str, Any],
    stage_name: str,
    options: dict[str, str],
    *,
    current: Stack | None,
    terminal: Terminal,
) -> dict[str, str]:
    """All parameters, which are printed: from options, the present stack, answers at the terminal, and defaults."""
    previous = current.parameters if current else {}
    # Each stage has its own database, unless the options name another.
    database = {"DatabaseName": f"labelwatch_{stage_name.replace('-', '_')}"}
    given = options if previous else database | options
    ask = terminal.ask and questions.with_models(account, terminal.ask)
    check = partial(preflight.check_parameter, account, stack_name_of(stage_name))
    values = parameters.complete(template, given, previous or None, ask, check)
    defaults = {item.name: item.default for item in parameters.PARAMETERS.values()} | database
    terminal.print("\nSettings")
    for line in settings_table.lines(values, previous, defaults, terminal.console.width):
        terminal.print(line)
    return values


def _change_stack(changes: StackChanges, kept: dict[str, str], buckets: StackBuckets) -> dict[str, str]:
    """Creates or updates the stack, with the buckets kept from an earlier stack, and returns its outputs."""
    desired, current = changes.desired, changes.desired.current
    if kept:
        import_buckets.import_kept(changes, kept)
    imported = kept or import_buckets.imported_before(desired)
    if imported:
        import_buckets.protect(buckets, changes.template, imported)
        return import_buckets.create_the_rest(changes, confirmed=bool(kept))
    plan = changes.plan(creates=not current)
    if plan or not current:
        plan = changes.required(plan)
        changes.confirm(plan)
        return changes.apply(plan)
    unchanged = [name for name, value in desired.parameters.items() if current.parameters.get(name) != value]
    if unchanged:
        raise UserError(
            f"CloudFormation found no changes, but {', '.join(unchanged)} would change. Use the parameter in a "
            "resource of infra/resources.yaml."
        )
    changes.terminal.print(f"\nStack {desired.name}: unchanged.")
    return current.values


def _delete_leftovers(stacks: Stacks, name: str, status: str, terminal: Terminal) -> None:
    """Deletes a stack that was never created: until then CloudFormation creates no stack of the same name."""
    terminal.console.print(f"\nStack {name} is {status}: {LEFTOVERS[status]}. Delete the stack to create a new stack.")
    terminal.confirm(f"Delete stack {name}?")
    if undeleted := stacks.delete(name):
        raise UserError(could_not_delete(name, undeleted))


def _turn_traces_off(account: Account, stack_name: str, terminal: Terminal) -> None:
    try:
        traced = functions.traced(account, stack_name)
        question = f"Turn off X-Ray tracing of {', '.join(traced)}? `chalice deploy` would leave tracing on."
        if traced and terminal.accepts(question):
            functions.stop_tracing(account, traced)
    except (ClientError, WaiterError) as problem:
        terminal.print(f"Could not turn off X-Ray tracing: {problem}. Run the command again to retry.")


def _write_stage(config: Path, stage_name: str, stack_name: str, outputs: dict[str, str], terminal: Terminal) -> None:
    if not stage.write(config, stage_name, stack_name, outputs):
        terminal.print(f"Stage {stage_name} in .chalice/config.json: unchanged.")
        return
    terminal.console.print(
        f"\nStage {stage_name} in .chalice/config.json: updated. Commit the file, so that everyone deploys the same "
        "stage. Keep the repository private: the file has no secrets, but your account number, names and e-mail "
        f"address.\nAlso commit .chalice/deployed/{stage_name}.json, which chalice deploy writes. Without the file, "
        "run this command before the next deployment: it rebuilds the file."
    )


def _compare_deployed_file(
    account: Account, stack_name: str, file: Path, outputs: dict[str, str], terminal: Terminal
) -> None:
    try:
        comparison = deployed_file.read_and_compare(account, stack_name, outputs, file)
    except (ClientError, Fault) as problem:
        terminal.print(
            f"Could not compare .chalice/deployed/{file.name} with the account: {str(problem).rstrip('.')}. Run the "
            "command again to retry."
        )
        return
    deployed_file.offer_to_rebuild(file, comparison, terminal)


def _limit_requests(account: Account, stack_name: str, terminal: Terminal) -> bool:
    """Sets the limits of the REST API, whose function has the stack's name; whether the API exists and has them."""
    limits = request_limits.of_template()
    try:
        changed = request_limits.apply(account, stack_name, limits)
    except Fault as fault:
        terminal.print(
            f"Could not limit the requests to the REST API: {fault.detail.rstrip('.')}. Run the command again after "
            "`chalice deploy`, with permission for lambda:GetPolicy, apigateway:GET and apigateway:PATCH."
        )
        return False
    if changed is None:
        return False
    rates = [value for path, value in limits.items() if path.endswith("rateLimit")]
    numbers = f"limited to {max(rates)} requests per second, {min(rates)} for picture pages"
    terminal.print(f"REST API: {numbers if changed else 'limits of requests unchanged'}.")
    return True


def _print_next_commands(
    account: Account, stage_name: str, outputs: dict[str, str], terminal: Terminal, *, limited: bool
) -> None:
    chalice, labelwatch = (shlex.quote(str(Path(sys.executable).with_name(tool))) for tool in ("chalice", "labelwatch"))
    profile = f" --profile {shlex.quote(account.profile)}" if account.profile else ""
    region = f"AWS_DEFAULT_REGION={account.region} "
    stack = stack_name_of(stage_name)
    start = f"{labelwatch} model start --stack {stack}{profile}"
    price = "about 4 USD per hour and inference unit, until you stop it"
    confirm = f"{labelwatch} subscribers confirm 'LINK' --stack {stack}{profile}"
    limit = f"{labelwatch} up --stage {stage_name}{profile}"
    commands = [
        f"{region}{chalice} deploy --stage {stage_name}{profile}",
        *([] if limited else [f"{region}{limit}   # once: limits the requests to the API"]),
        f"{region}{confirm}   # once per link: two e-mails to {outputs['EmailNotification']}",
        f"{region}{labelwatch} doctor --stack {stack}{profile}   # says what is wrong or missing",
        *([] if outputs["CustomModelARN"] == GENERAL_MODEL else [f"{region}{start}   # {price}"]),
        f"{region}aws s3 cp leaf.jpg s3://{outputs['InputBucket']}/{profile}",
    ]
    terminal.print("\nNext:")
    for number, command in enumerate(commands, 1):
        terminal.print(f"  {number}. {command}")
    terminal.print(f"Dashboard: {outputs['DashboardUrl']}")
