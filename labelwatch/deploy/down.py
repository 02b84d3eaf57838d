"""`labelwatch down`: deletes the stack of a stage; with --delete-data, its buckets with all data too.

Read the present state, plan what to delete, keep and skip, confirm, apply.
"""

import time
from collections.abc import Collection
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
TAGS = "The buckets have the stack's tags, which anyone in the account can set."
NAME_IT = "Pass --delete-data and --bucket NAME to delete a bucket."
# Too short for the name of a bucket.
KEEP = "no"


class StageState(NamedTuple):
    """The resources of a stage in AWS, and those of `chalice deploy` compared with its file.

    `tagged_buckets` have the stack's tags, but the stack does not list them: it was deleted, it had another bucket
    name before, or somebody else in the account set the tags. `unreadable_buckets` may be the stack's too: their tags
    may not be read.
    """

    stage_name: str
    stack_name: str
    region: str
    stack: Stack | None
    resources: list[Resource]
    buckets: list[str]
    tagged_buckets: list[str]
    unreadable_buckets: list[str]
    deployed: Comparison


class Removal(NamedTuple):
    """The stack and the buckets to delete, the buckets to keep, and the skipped buckets, whose tags are unreadable.

    `unnamed_buckets` stay because nobody has named them.
    """

    stack: Stack | None
    deleted_buckets: list[str]
    kept_buckets: list[str]
    unnamed_buckets: list[str]
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
        if self.unnamed_buckets:
            names = ", ".join(self.unnamed_buckets)
            sentences += [f"Keeps buckets that the stack does not list: {names}. {TAGS} {NAME_IT}"]
        if self.skipped_buckets:
            names = ", ".join(self.skipped_buckets)
            sentences += [f"Skips buckets whose tags cannot be read (s3:GetBucketTagging): {names}."]
        return sentences

    def question(self, stack_name: str) -> str:
        """The question to confirm."""
        things = [f"stack {stack_name}"] if self.stack else []
        things += [counted(len(self.deleted_buckets), "bucket")] if self.deleted_buckets else []
        return f"Delete {' and '.join(things)}? This cannot be undone."


def run(  # noqa: PLR0913 - the options of the command
    account: Account,
    stage_name: str,
    terminal: Terminal,
    *,
    delete_data: bool,
    named: Collection[str] = (),
    config: Path = stage.CONFIG,
) -> None:
    """Deletes the stack and the stage, and with `delete_data` the buckets.

    A bucket that the stack does not list is deleted only if it is `named`, or if the person types its name.
    """
    terminal.print(f"Stack {stack_name_of(stage_name)} in account {account.id}, Region {account.region}")
    state = read(account, stage_name, config)
    deployed_file.offer_to_rebuild(deployed_file.path_of(config, stage_name), state.deployed, terminal)
    removal = plan(state, delete_data=delete_data, named=_named(state, named, terminal) if delete_data else ())
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
    others = sorted({*tagged} - own)
    deployed = _deployed(account, stack_name, stack, deployed_file.path_of(config, stage_name))
    return StageState(
        stage_name, stack_name, account.region, stack, resources, sorted(own), others, unreadable, deployed
    )


def _deployed(account: Account, stack_name: str, stack: Stack | None, file: Path) -> Comparison:
    # Without a stack, deployed functions do not matter, and the right to read them may be missing.
    if not stack:
        return deployed_file.compare([], [])
    return deployed_file.read_and_compare(account, stack_name, stack.values, file)


def plan(state: StageState, *, delete_data: bool, named: Collection[str] = ()) -> Removal:
    """What to delete and what to keep; raises UserError without anything to delete, or where functions exist."""
    buckets = sorted([*state.buckets, *state.tagged_buckets])
    deleted = [name for name in buckets if name in state.buckets or name in named] if delete_data else []
    kept = [name for name in buckets if name not in deleted]
    # Without a stack the stage stays: this may be another Region, or account, than the stage's.
    if not state.stack and not deleted:
        found = f"Buckets found: {', '.join(kept)}. {NAME_IT}" if kept else "Pass --stage or --region."
        raise UserError(f"No stack named {state.stack_name} in {state.region}. {found}")
    if state.deployed.existing:  # functions need their roles, which the stack has
        raise UserError(
            f"Stage {state.stage_name} still has resources of Chalice: {', '.join(state.deployed.existing)}. Run "
            f"`chalice delete --stage {state.stage_name}` first."
        )
    if delete_data:
        return Removal(state.stack, deleted, [], kept, state.unreadable_buckets)
    return Removal(state.stack, [], kept, [], [])


def _named(state: StageState, named: Collection[str], terminal: Terminal) -> set[str]:
    """The buckets outside the stack that the person names, as an option or at the terminal.

    Raises UserError for a name without the stack's tags. Consent to every question (--yes) names no bucket.
    """
    unknown = sorted({*named} - {*state.buckets, *state.tagged_buckets})
    if unknown:
        raise UserError(
            f"No bucket named {unknown[0]} with the tags of stack {state.stack_name} in {state.region}. Omit --bucket "
            "to list the buckets that have these tags."
        )
    return {*named} | {name for name in state.tagged_buckets if name not in named and _types_name(name, terminal)}


def _types_name(name: str, terminal: Terminal) -> bool:
    question = f"The stack does not list bucket {name}. {TAGS} Type its name to delete it with ALL objects."
    return terminal.ask is not None and terminal.ask("Bucket to delete", question, KEEP) == name


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
