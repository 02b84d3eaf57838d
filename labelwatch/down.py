"""`labelwatch down`: takes a stage's stack away, and its data only where that is asked for."""

import time

from botocore.exceptions import ClientError

from labelwatch import stage
from labelwatch.aws import Account
from labelwatch.buckets import OwnBuckets
from labelwatch.errors import UserError
from labelwatch.operator import Operator, watching
from labelwatch.stack import Stacks
from labelwatch.up import CONFIG, stack_of

BUCKETS = ("InputBucket", "OutputBucket", "WorkspaceBucket")
# Access logs of the last hours may still come into the workspace bucket.
TRIES_TO_REMOVE = 3


def run(account: Account, name: str, operator: Operator, *, delete_data: bool) -> None:
    """Deletes the stack and the stage, and the buckets where that is asked for."""
    stack_name = stack_of(name)
    stacks = Stacks(account.client("cloudformation"))
    buckets = OwnBuckets(account)
    now = stacks.find(stack_name)
    # By their tags too: a bucket that was given another name left the old one behind.
    data = sorted({*buckets.of(stack_name), *(now.outputs[name] for name in BUCKETS if now and name in now.outputs)})
    operator.tell(f"{stack_name} in account {account.id}, Region {account.region}")
    if not now and not (delete_data and data):  # the stage stays: this may be another Region, or account, than it is of
        kept = f"; its buckets {', '.join(data)} are kept (--delete-data deletes them)" if data else ""
        raise UserError(f"there is no stack {stack_name}{kept}.")
    _refuse_while_functions_stand(account, name, stack_name)
    fate = "DELETED with all that is in them" if delete_data else "kept, with all that is in them"
    if now:
        operator.tell("The stack with its queues, messages, topics, subscriptions, upload tokens and logs goes away.")
    operator.tell(f"The buckets {', '.join(data)} are {fate}.")
    operator.must_agree(f"Take {stack_name} down?")
    if now:
        with operator.progress() as bars:
            names = {logical for logical, _ in stacks.resources(stack_name)}
            left = stacks.delete(stack_name, watching(bars, bars.add_task("", total=len(names)), names))
        if left:
            raise UserError(f"the stack {stack_name} is not deleted: {'; '.join(left)}")
        operator.tell(f"The stack {stack_name} is gone.")
    if stage.remove(CONFIG, name):
        operator.tell(f"The stage {name} is gone from .chalice/config.json.")
    if delete_data:
        for bucket in data:
            _remove(buckets, bucket, operator)
    else:
        operator.tell(f"Kept: {', '.join(data)}. `labelwatch up` with the same names takes them back.")


def _refuse_while_functions_stand(account: Account, name: str, stack_name: str) -> None:
    """Without their roles they could neither work nor be of any use."""
    try:
        account.client("lambda").get_function_configuration(FunctionName=f"{stack_name}-detect")
    except ClientError as problem:
        if problem.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return
    raise UserError(f"its functions are still there; take them down first: chalice delete --stage {name}")


def _remove(buckets: OwnBuckets, name: str, operator: Operator) -> None:
    with operator.progress() as bars:
        bar = bars.add_task(f"emptying {name}", total=None)
        for left in reversed(range(TRIES_TO_REMOVE)):
            try:
                buckets.remove(name, lambda count: bars.advance(bar, count))
            except ClientError as problem:
                if problem.response["Error"]["Code"] != "BucketNotEmpty" or not left:
                    raise
                time.sleep(5)
            else:
                break
    operator.tell(f"The bucket {name} is gone.")
