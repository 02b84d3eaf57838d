"""`labelwatch up`: creates or updates the resources stack of a stage, and writes the stage for `chalice deploy`.

Read the present state, check, plan, confirm, apply, write the stage, print the commands to run next.
"""

import shlex
import sys
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from chalicelib.settings import GENERAL_MODEL
from labelwatch.deploy import functions, import_buckets, parameters, preflight, stage
from labelwatch.deploy.buckets import StackBuckets
from labelwatch.deploy.packaging import check_python, resources
from labelwatch.deploy.stack_changes import StackChanges
from labelwatch.deploy.stage_stack import CONFIG, DesiredStack, refuse_other_account, refuse_other_stacks, stack_name_of
from labelwatch.shared.account import Account
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT
from labelwatch.shared.stacks import Stack, Stacks

# The states of a failed creation: CloudFormation can only delete what is left of it.
LEFTOVERS = {
    "ROLLBACK_COMPLETE": "What is left of a creation that failed",
    "ROLLBACK_FAILED": "What is left of a creation that failed",
    "REVIEW_IN_PROGRESS": "A creation that waits for somebody's consent, perhaps a colleague's,",
}
UPDATABLE = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}


def run(account: Account, stage_name: str, options: dict[str, str], terminal: Terminal, tags: dict[str, str]) -> None:
    """Creates or updates the stage's stack with these parameters, writes the stage, and prints the next commands."""
    check_python()
    stack_name = stack_name_of(stage_name)
    stacks = Stacks(account.client("cloudformation"))
    terminal.print(f"{stack_name} in account {account.id}, Region {account.region}")
    refuse_other_account(account, stage_name)
    found = find_stack(stacks, stack_name)
    current = None if found and found.status in LEFTOVERS else found
    physical_ids = _physical_ids(stacks, stage_name, current)
    template = resources()
    desired = DesiredStack(
        stack_name, _complete(template, stage_name, options, current, terminal), current, physical_ids
    )
    for finding in preflight.findings(account, desired):
        terminal.print(f"  ✓ {finding}")
    kept = preflight.kept_buckets(account, desired)
    if found and not current:
        _delete_leftovers(stacks, stack_name, found.status, terminal)
    tags = kept_tags(current) | tags | {"application": "labelwatch", "stack": stack_name}
    changes = StackChanges(stacks, desired, template, tags, terminal)
    outputs = _change_stack(changes, kept, StackBuckets(account))
    _write_stage(stage_name, stack_name, outputs, terminal)
    if current and outputs["Tracing"] == "no":
        _turn_traces_off(account, stack_name, terminal)
    _print_next_commands(account, stage_name, outputs, terminal)


def find_stack(stacks: Stacks, name: str) -> Stack | None:
    """The stack, if it exists; raises UserError where another operation changes it, or it is stuck."""
    stack = stacks.find(name)
    if stack and stack.status not in {*UPDATABLE, *LEFTOVERS}:
        advice = (
            "try again when that is over"
            if stack.status.endswith("_IN_PROGRESS")
            else "the CloudFormation console says why, and lets you go on or delete"
        )
        raise UserError(f"the stack {name} is {stack.status}; {advice}.")
    return stack


def kept_tags(current: Stack | None) -> dict[str, str]:
    """The present stack's tags; AWS alone may set those that begin with `aws:`."""
    tags = current.tags if current else {}
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}


def _physical_ids(stacks: Stacks, stage_name: str, current: Stack | None) -> dict[str, str]:
    """The names of the present stack's resources, by logical id; raises UserError where `up` may not change it."""
    name = stack_name_of(stage_name)
    existing = stacks.resources(name) if current else []
    refuse_other_stacks(name, existing)
    if current:
        stage.check(CONFIG, stage_name, name, current.values)
    return {resource.logical_id: resource.physical_id for resource in existing}


def _complete(
    template: dict[str, Any], stage_name: str, options: dict[str, str], current: Stack | None, terminal: Terminal
) -> dict[str, str]:
    """All parameters: from the options, else from the present stack, the defaults, and the person at the terminal."""
    known = current.parameters if current else {}
    # Each stage has a database of its own, unless the options name one.
    default = {} if known else {"DatabaseName": f"labelwatch_{stage_name.replace('-', '_')}"}
    return parameters.complete(template, default | options, known or None, terminal.ask)


def _change_stack(changes: StackChanges, kept: dict[str, str], buckets: StackBuckets) -> dict[str, str]:
    """Makes the stack as desired, with the buckets kept from an earlier stack, and gives its outputs."""
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
        raise UserError(f"CloudFormation sees no change, although {', '.join(unchanged)} would be another.")
    changes.terminal.print("Nothing in the stack has to change.")
    return current.values


def _delete_leftovers(stacks: Stacks, name: str, status: str, terminal: Terminal) -> None:
    """Deletes the remains of a failed creation: CloudFormation creates no stack of the same name over them."""
    terminal.print(f"{LEFTOVERS[status]} has this name ({status}), and must be deleted first.")
    terminal.confirm(f"Delete that {name}?")
    undeleted = stacks.delete(name)
    if undeleted:
        raise UserError(f"what is left of {name} could not be deleted: {'; '.join(undeleted)}")


def _turn_traces_off(account: Account, stack_name: str, terminal: Terminal) -> None:
    try:
        traced = functions.traced(account, stack_name)
        if traced and terminal.accepts(f"X-Ray is on in {', '.join(traced)}, and chalice deploy leaves it so. Off?"):
            functions.stop_tracing(account, traced)
    except (ClientError, WaiterError) as problem:
        terminal.print(f"Whether X-Ray is off in the functions is not known: {problem}")


def _write_stage(stage_name: str, stack_name: str, outputs: dict[str, str], terminal: Terminal) -> None:
    config = CONFIG.relative_to(PROJECT)
    if not stage.write(CONFIG, stage_name, stack_name, outputs):
        terminal.print(f"The stage {stage_name} in {config} is as it should be.")
        return
    terminal.console.print(
        f"\nThe stage {stage_name} stands in {config} now. Commit that to your own repository, so that everybody "
        "deploys the same; keep the repository private: there is no secret in it, but your account's number, names and "
        f"an e-mail address. The same goes for .chalice/deployed/{stage_name}.json, which chalice deploy writes: "
        "without it the next deployment would make a second REST API."
    )


def _print_next_commands(account: Account, stage_name: str, outputs: dict[str, str], terminal: Terminal) -> None:
    chalice, labelwatch = (shlex.quote(str(Path(sys.executable).with_name(tool))) for tool in ("chalice", "labelwatch"))
    profile = f" --profile {shlex.quote(account.profile)}" if account.profile else ""
    region = f"AWS_DEFAULT_REGION={account.region} "
    stack = stack_name_of(stage_name)
    start = f"{labelwatch} model start --stack {stack}{profile}   # about 4 USD an hour until it is stopped"
    confirm = f"{labelwatch} subscribers confirm 'LINK' --stack {stack}{profile}"
    commands = [
        f"{region}{chalice} deploy --stage {stage_name}{profile}",
        f"{region}{confirm}   # the links of two e-mails to {outputs['EmailNotification']}",
        *([] if outputs["CustomModelARN"] == GENERAL_MODEL else [f"{region}{start}"]),
        f"{region}aws s3 cp leaf.jpg s3://{outputs['InputBucket']}/{profile}",
    ]
    terminal.print("\nNext:")
    for number, command in enumerate(commands, 1):
        terminal.print(f"  {number}. {command}")
    terminal.print(f"The dashboard: {outputs['DashboardUrl']}")
