"""`labelwatch down`: deletes the stack of a stage; with --delete-data, its buckets with all data too.

Read the present state, plan what to delete, keep and skip, confirm, apply.
"""

import time
from pathlib import Path
from typing import NamedTuple

from botocore.exceptions import ClientError

from chalicelib.settings import GENERAL_MODEL
from labelwatch.deploy import deployed_file, stage
from labelwatch.deploy.buckets import MISSING, StackBuckets
from labelwatch.deploy.deployed_file import Comparison
from labelwatch.deploy.stage_stack import (
    could_not_delete,
    refuse_other_account,
    refuse_other_stacks,
    stack_name_of,
)
from labelwatch.shared.account import Account
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError
from labelwatch.shared.stacks import Resource, Stack, Stacks
from labelwatch.shared.text import counted

# S3 may still deliver access logs of the last hours to the workspace bucket.
ATTEMPTS_TO_DELETE = 3


class StageState(NamedTuple):
    """The resources of a stage in AWS, and those of `chalice deploy` compared with its file.

    `unreadable_buckets` may be the stack's too: their tags may not be read.
    """

    stage_name: str
    stack_name: str
    region: str
    stack: Stack | None
    resources: list[Resource]
    buckets: list[str]
    unreadable_buckets: list[str]
    deployed: Comparison


class Removal(NamedTuple):
    """The stack and the buckets to delete, the buckets to keep, and the skipped buckets, whose tags are unreadable."""

    stack: Stack | None
    deleted_buckets: list[str]
    kept_buckets: list[str]
    skipped_buckets: list[str]

    def sentences(self) -> list[str]:
        """The removal in words, to be confirmed."""
        sentences = []
        if self.stack:
            sentences += ["Deletes the stack with its queues, messages, topics, subscriptions, upload tokens and logs."]
        if self.deleted_buckets:
            sentences += [f"Deletes these buckets with ALL images and predictions: {', '.join(self.deleted_buckets)}."]
        if self.kept_buckets:
            sentences += [f"Keeps these buckets with their objects: {', '.join(self.kept_buckets)}."]
        if self.skipped_buckets:
            names = ", ".join(self.skipped_buckets)
            sentences += [f"Skips buckets whose tags cannot be read (s3:GetBucketTagging): {names}."]
        return sentences

    def question(self, stack_name: str) -> str:
        """The question to confirm."""
        things = [f"stack {stack_name}"] if self.stack else []
        things += [counted(len(self.deleted_buckets), "bucket")] if self.deleted_buckets else []
        return f"Delete {' and '.join(things)}? This cannot be undone."


def run(
    account: Account, stage_name: str, terminal: Terminal, *, delete_data: bool, config: Path = stage.CONFIG
) -> None:
    """Deletes the stack and the stage, and with `delete_data` the buckets."""
    terminal.print(f"Stack {stack_name_of(stage_name)} in account {account.id}, Region {account.region}")
    state = read(account, stage_name, config)
    deployed_file.offer_to_rebuild(deployed_file.path_of(config, stage_name), state.deployed, terminal)
    removal = plan(state, delete_data=delete_data)
    for sentence in removal.sentences():
        terminal.console.print(sentence)
    terminal.confirm(removal.question(state.stack_name))
    if removal.stack:
        _delete_stack(account, state, removal.stack, terminal)
    if stage.remove(config, stage_name):
        terminal.print(f"Stage {stage_name}: deleted from .chalice/config.json.")
    for name in removal.deleted_buckets:
        _delete_bucket(StackBuckets(account), name, terminal)
    if removal.kept_buckets:
        terminal.console.print(
            f"Kept: {', '.join(removal.kept_buckets)}. Run `labelwatch up` with the same names to use the buckets."
        )


def read(account: Account, stage_name: str, config: Path) -> StageState:
    """The present state of the stage; raises UserError where another account or application owns it."""
    stack_name = stack_name_of(stage_name)
    refuse_other_account(account, config, stage_name)
    stacks = Stacks(account.client("cloudformation"))
    stack = stacks.find(stack_name)
    resources = stacks.resources(stack_name) if stack else []
    refuse_other_stacks(stack_name, resources)
    # By tags too: a stack keeps the old bucket when its bucket name changes.
    tagged, unreadable = StackBuckets(account).created_by(stack_name)
    own = {item.physical_id for item in resources if item.resource_type == "AWS::S3::Bucket" and item.physical_id}
    buckets = sorted({*tagged, *own})
    deployed = _deployed(account, stack_name, stack, deployed_file.path_of(config, stage_name))
    return StageState(stage_name, stack_name, account.region, stack, resources, buckets, unreadable, deployed)


def _deployed(account: Account, stack_name: str, stack: Stack | None, file: Path) -> Comparison:
    # Without a stack, deployed functions do not matter, and the right to read them may be missing.
    if not stack:
        return deployed_file.compare([], [])
    return deployed_file.read_and_compare(account, stack_name, stack.values, file)


def plan(state: StageState, *, delete_data: bool) -> Removal:
    """What to delete and what to keep; raises UserError without anything to delete, or where functions exist."""
    buckets = state.buckets
    # Without a stack the stage stays: this may be another Region, or account, than the stage's.
    if not state.stack and not (delete_data and buckets):
        kept = f"Buckets found: {', '.join(buckets)}. Pass --delete-data to delete the buckets."
        hint = kept if buckets else "Pass --stage or --region."
        raise UserError(f"No stack named {state.stack_name} in {state.region}. {hint}")
    if state.deployed.existing:  # functions need their roles, which the stack has
        raise UserError(
            f"Stage {state.stage_name} still has resources of Chalice: {', '.join(state.deployed.existing)}. Run "
            f"`chalice delete --stage {state.stage_name}` first."
        )
    if delete_data:
        return Removal(state.stack, buckets, [], state.unreadable_buckets)
    return Removal(state.stack, [], buckets, [])


def _delete_stack(account: Account, state: StageState, stack: Stack, terminal: Terminal) -> None:
    stacks = Stacks(account.client("cloudformation"))
    with terminal.stack_progress({resource.logical_id for resource in state.resources}) as show_progress:
        undeleted = stacks.delete(state.stack_name, show_progress)
    if undeleted:
        raise UserError(could_not_delete(state.stack_name, undeleted))
    terminal.print(f"Stack {state.stack_name}: deleted.")
    model = stack.parameters.get("CustomModelARN", GENERAL_MODEL)
    if model != GENERAL_MODEL:
        terminal.console.print(
            "The model is not part of the stack. A running model costs about 4 USD per hour and inference unit, until "
            "you stop it:"
        )
        terminal.print(f"  aws rekognition stop-project-version --project-version-arn {model}")


def _delete_bucket(buckets: StackBuckets, name: str, terminal: Terminal) -> None:
    with terminal.progress() as bars:
        bar = bars.add_task(f"Deleting objects of {name}…", total=None)
        for left in reversed(range(ATTEMPTS_TO_DELETE)):
            try:
                buckets.delete(name, lambda count: bars.advance(bar, count))
            except ClientError as problem:
                code = problem.response["Error"]["Code"]
                if code in MISSING:  # deleted by another process meanwhile
                    break
                if code != "BucketNotEmpty" or not left:
                    raise
                time.sleep(5)
            else:
                break
    terminal.print(f"Bucket {name}: deleted.")
