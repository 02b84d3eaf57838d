"""`labelwatch down`: deletes the stack of a stage, and its buckets with all data only where the command says so.

Read the present state, plan what is deleted, kept and left alone, confirm, apply.
"""

import time
from typing import NamedTuple

from botocore.exceptions import ClientError

from chalicelib.settings import GENERAL_MODEL
from labelwatch.deploy import functions, stage
from labelwatch.deploy.buckets import MISSING, StackBuckets
from labelwatch.deploy.stage_stack import CONFIG, refuse_other_account, refuse_other_stacks, stack_name_of
from labelwatch.shared.account import Account
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError
from labelwatch.shared.stacks import Resource, Stack, Stacks

# Access logs of the last hours may still come into the workspace bucket.
ATTEMPTS_TO_DELETE = 3


class StageState(NamedTuple):
    """What AWS has of a stage. `unreadable_buckets` may be the stack's too: their tags may not be read."""

    stage_name: str
    stack_name: str
    region: str
    stack: Stack | None
    resources: list[Resource]
    buckets: list[str]
    unreadable_buckets: list[str]
    functions: list[str]


class Removal(NamedTuple):
    """What is deleted, what is kept, and which buckets are left alone since nobody may know whose they are."""

    stack: Stack | None
    deleted_buckets: list[str]
    kept_buckets: list[str]
    ignored_buckets: list[str]

    def sentences(self) -> list[str]:
        """The removal for the person who is to confirm it."""
        sentences = []
        if self.stack:
            sentences += [
                "The stack with its queues, messages, topics, subscriptions, upload tokens and logs goes away."
            ]
        if self.deleted_buckets:
            sentences += [f"The buckets {', '.join(self.deleted_buckets)} are DELETED with all that is in them."]
        if self.kept_buckets:
            sentences += [f"The buckets {', '.join(self.kept_buckets)} are kept, with all that is in them."]
        if self.ignored_buckets:
            names = ", ".join(self.ignored_buckets)
            sentences += [f"Left alone, since these credentials may not read their tags: {names}."]
        return sentences


def run(account: Account, stage_name: str, terminal: Terminal, *, delete_data: bool) -> None:
    """Deletes the stack and the stage, and the buckets where `delete_data` says so."""
    terminal.print(f"{stack_name_of(stage_name)} in account {account.id}, Region {account.region}")
    state = read(account, stage_name)
    removal = plan(state, delete_data=delete_data)
    for sentence in removal.sentences():
        terminal.print(sentence)
    terminal.confirm(f"Take {state.stack_name} down?")
    if removal.stack:
        _delete_stack(account, state, removal.stack, terminal)
    if stage.remove(CONFIG, stage_name):
        terminal.print(f"The stage {stage_name} is gone from .chalice/config.json.")
    for name in removal.deleted_buckets:
        _delete_bucket(StackBuckets(account), name, terminal)
    if removal.kept_buckets:
        terminal.print(f"Kept: {', '.join(removal.kept_buckets)}. `labelwatch up` with the same names takes them back.")


def read(account: Account, stage_name: str) -> StageState:
    """The present state of the stage; raises UserError where it is not this account's, or the stack something else."""
    stack_name = stack_name_of(stage_name)
    refuse_other_account(account, stage_name)
    stacks = Stacks(account.client("cloudformation"))
    stack = stacks.find(stack_name)
    resources = stacks.resources(stack_name) if stack else []
    refuse_other_stacks(stack_name, resources)
    # By their tags too: a stack whose bucket was renamed left the old bucket behind.
    tagged, unreadable = StackBuckets(account).created_by(stack_name)
    own = {item.physical_id for item in resources if item.resource_type == "AWS::S3::Bucket" and item.physical_id}
    # Without a stack there is nothing to refuse for their sake, and perhaps no right to list them.
    deployed = [function["FunctionName"] for function in functions.deployed(account, stack_name)] if stack else []
    return StageState(
        stage_name, stack_name, account.region, stack, resources, sorted({*tagged, *own}), unreadable, deployed
    )


def plan(state: StageState, *, delete_data: bool) -> Removal:
    """What to delete and what to keep; raises UserError where there is nothing to delete, or functions are deployed."""
    buckets = state.buckets
    # Without a stack the stage stays: this may be another Region, or account, than the stage's.
    if not state.stack and not (delete_data and buckets):
        kept = f"; its buckets {', '.join(buckets)} are kept (--delete-data deletes them)" if buckets else ""
        raise UserError(f"there is no stack {state.stack_name} in {state.region}{kept}.")
    if state.functions:  # without their roles, which are the stack's, they could not work
        raise UserError(
            f"its functions are still there; take them down first: chalice delete --stage {state.stage_name}"
        )
    if delete_data:
        return Removal(state.stack, buckets, [], state.unreadable_buckets)
    return Removal(state.stack, [], buckets, [])


def _delete_stack(account: Account, state: StageState, stack: Stack, terminal: Terminal) -> None:
    stacks = Stacks(account.client("cloudformation"))
    with terminal.stack_progress({resource.logical_id for resource in state.resources}) as show_progress:
        undeleted = stacks.delete(state.stack_name, show_progress)
    if undeleted:
        raise UserError(f"the stack {state.stack_name} is not deleted: {'; '.join(undeleted)}")
    terminal.print(f"The stack {state.stack_name} is gone.")
    model = stack.parameters.get("CustomModelARN", GENERAL_MODEL)
    if model != GENERAL_MODEL:
        terminal.print(
            "The model is not the stack's: if it runs, it goes on, and costs, until somebody stops it: "
            f"aws rekognition stop-project-version --project-version-arn {model}"
        )


def _delete_bucket(buckets: StackBuckets, name: str, terminal: Terminal) -> None:
    with terminal.progress() as bars:
        bar = bars.add_task(f"emptying {name}", total=None)
        for left in reversed(range(ATTEMPTS_TO_DELETE)):
            try:
                buckets.delete(name, lambda count: bars.advance(bar, count))
            except ClientError as problem:
                code = problem.response["Error"]["Code"]
                if code in MISSING:  # somebody else deleted it meanwhile
                    break
                if code != "BucketNotEmpty" or not left:
                    raise
                time.sleep(5)
            else:
                break
    terminal.print(f"The bucket {name} is gone.")
