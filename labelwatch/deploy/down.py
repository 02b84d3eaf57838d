"""`labelwatch down`: takes a stage's stack away, and its data only where that is asked for."""

import time

from botocore.exceptions import ClientError

from chalicelib.settings import GENERAL_MODEL
from labelwatch.deploy import functions, stage
from labelwatch.deploy.buckets import GONE, OwnBuckets
from labelwatch.deploy.up import CONFIG, refuse_elsewhere, refuse_others, stack_of
from labelwatch.shared.account import Account
from labelwatch.shared.console import Terminal, watching
from labelwatch.shared.errors import UserError
from labelwatch.shared.stacks import Stack, Stacks

# Access logs of the last hours may still come into the workspace bucket.
TRIES_TO_REMOVE = 3


def run(account: Account, name: str, terminal: Terminal, *, delete_data: bool) -> None:
    """Deletes the stack and the stage, and the buckets where that is asked for."""
    stack_name = stack_of(name)
    stacks = Stacks(account.client("cloudformation"))
    buckets = OwnBuckets(account)
    terminal.print(f"{stack_name} in account {account.id}, Region {account.region}")
    refuse_elsewhere(account, name)
    now = stacks.find(stack_name)
    has = stacks.resources(stack_name) if now else []
    refuse_others(stack_name, has)
    # By their tags too: a bucket that was given another name left the old one behind.
    tagged, unknown = buckets.of(stack_name)
    data = sorted({*tagged, *(one.id for one in has if one.kind == "AWS::S3::Bucket" and one.id)})
    if not now and not (delete_data and data):  # the stage stays: this may be another Region, or account, than it is of
        kept = f"; its buckets {', '.join(data)} are kept (--delete-data deletes them)" if data else ""
        raise UserError(f"there is no stack {stack_name} in {account.region}{kept}.")
    if functions.standing(account, stack_name):  # without their roles they could neither work nor be of any use
        raise UserError(f"its functions are still there; take them down first: chalice delete --stage {name}")
    fate = "DELETED with all that is in them" if delete_data else "kept, with all that is in them"
    if now:
        terminal.print("The stack with its queues, messages, topics, subscriptions, upload tokens and logs goes away.")
    terminal.print(f"The buckets {', '.join(data)} are {fate}.")
    if delete_data and unknown:
        terminal.print(f"Left alone, since these credentials may not read their tags: {', '.join(unknown)}.")
    terminal.confirm(f"Take {stack_name} down?")
    if now:
        _take_away(stacks, stack_name, now, {one.name for one in has}, terminal)
    if stage.remove(CONFIG, name):
        terminal.print(f"The stage {name} is gone from .chalice/config.json.")
    if delete_data:
        for bucket in data:
            _remove(buckets, bucket, terminal)
    else:
        terminal.print(f"Kept: {', '.join(data)}. `labelwatch up` with the same names takes them back.")


def _take_away(stacks: Stacks, stack_name: str, now: Stack, names: set[str], terminal: Terminal) -> None:
    with terminal.progress() as bars:
        left = stacks.delete(stack_name, watching(bars, bars.add_task("", total=len(names)), names))
    if left:
        raise UserError(f"the stack {stack_name} is not deleted: {'; '.join(left)}")
    terminal.print(f"The stack {stack_name} is gone.")
    model = now.parameters.get("CustomModelARN", GENERAL_MODEL)
    if model != GENERAL_MODEL:
        terminal.print(
            "The model is not the stack's: if it runs, it goes on, and costs, until somebody stops it: "
            f"aws rekognition stop-project-version --project-version-arn {model}"
        )


def _remove(buckets: OwnBuckets, name: str, terminal: Terminal) -> None:
    with terminal.progress() as bars:
        bar = bars.add_task(f"emptying {name}", total=None)
        for left in reversed(range(TRIES_TO_REMOVE)):
            try:
                buckets.remove(name, lambda count: bars.advance(bar, count))
            except ClientError as problem:
                code = problem.response["Error"]["Code"]
                if code in GONE:  # somebody was quicker
                    break
                if code != "BucketNotEmpty" or not left:
                    raise
                time.sleep(5)
            else:
                break
    terminal.print(f"The bucket {name} is gone.")
