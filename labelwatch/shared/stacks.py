"""CloudFormation stacks through change sets: what would change, then changing it, with each resource's own words."""

import copy
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from labelwatch.shared.errors import UserError

NOTHING_TO_CHANGE = ("didn't contain changes", "No updates are to be performed")
GOOD = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}
# A creation or an update that failed is rolled back; these are not its end.
GOING_ON = ("_IN_PROGRESS", "CREATE_FAILED", "UPDATE_FAILED")
# What was given up because something else failed.
CANCELLED = re.compile("Resource (creation|update|deletion) cancelled")
# CloudFormation's early checks say only this, and leave what they found to DescribeEvents.
FOUND_EARLY = "DescribeEvents"


class Stack(NamedTuple):
    """A stack as it stands."""

    status: str
    parameters: dict[str, str]
    outputs: dict[str, str]
    tags: dict[str, str] = {}  # noqa: RUF012 - never changed

    @property
    def values(self) -> dict[str, str]:
        """Outputs and parameters; a parameter needs no output of its own."""
        return self.parameters | self.outputs


class Resource(NamedTuple):
    """What a stack has: its name in the template, its kind, and its name in the account."""

    name: str
    kind: str
    id: str


class Change(NamedTuple):
    """What a change set does to one resource: Add, Modify, Remove or Import."""

    action: str
    name: str
    kind: str
    replaces: bool


class Plan(NamedTuple):
    """A change set that waits to be applied."""

    stack: str
    change_set: str
    creates: bool
    changes: list[Change]


class Event(NamedTuple):
    """What became of one resource, in CloudFormation's words."""

    name: str
    kind: str
    status: str
    reason: str


type Watch = Callable[[Event], None]


class Stacks:
    """The stacks of one account and Region."""

    def __init__(self, cloudformation: Any, poll_seconds: float = 2) -> None:  # noqa: ANN401 - of any endpoint
        self._client = cloudformation
        self._poll_seconds = poll_seconds

    def find(self, name: str) -> Stack | None:
        """The stack of this name, if there is one."""
        try:
            (stack,) = self._client.describe_stacks(StackName=name)["Stacks"]
        except ClientError as problem:
            if problem.response["Error"]["Code"] != "ValidationError":
                raise
            return None
        return Stack(
            stack["StackStatus"],
            {one["ParameterKey"]: one.get("ParameterValue", "") for one in stack.get("Parameters", [])},
            {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])},
            {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])},
        )

    def plan(  # noqa: PLR0913 - a change set's parts, by name
        self,
        name: str,
        template: dict[str, Any] | str,
        parameters: dict[str, str],
        *,
        creates: bool,
        tags: dict[str, str] | None = None,
        imports: dict[str, str] | None = None,
    ) -> Plan | None:
        """What the template, or the one at this URL, would change; None where that is nothing.

        `imports` are buckets that are there, by their names in the template, which has nothing else then. Raises
        UserError with CloudFormation's words where it refuses.
        """
        change_set = f"labelwatch-{uuid.uuid4().hex[:12]}"
        text = {"TemplateURL": template} if isinstance(template, str) else {"TemplateBody": compact(template)}
        where = {"StackName": name, "ChangeSetName": change_set}
        # Left out, not empty, where there are none: an empty list would take away those that the stack has.
        tagged = {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]} if tags else {}
        try:
            made = self._client.create_change_set(
                **where,
                **text,
                **tagged,
                **_importing(imports or {}),
                ChangeSetType="IMPORT" if imports else "CREATE" if creates else "UPDATE",
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            )
            answer = self._when_made(where)
        except ClientError as problem:
            raise UserError(f"CloudFormation does not take it: {problem.response['Error']['Message']}") from None
        if answer["Status"] == "FAILED":
            reason = answer.get("StatusReason", "it gives no reason")
            found = self._found_early(ChangeSetName=made["Id"]) if FOUND_EARLY in reason else []
            self._forget(name, change_set, creates=creates)
            if any(words in reason for words in NOTHING_TO_CHANGE):
                return None
            raise UserError(f"CloudFormation does not take it: {'; '.join(found) or reason}")
        return Plan(name, change_set, creates, [_change(one["ResourceChange"]) for one in self._changes(where)])

    def apply(self, plan: Plan, watch: Watch = lambda _: None) -> dict[str, str]:
        """Does it and gives the stack's outputs; `watch` hears of each resource.

        Raises UserError with the failed resources' own words; then the stack is as it was before, or gone if it is new.
        """
        last = self._newest_event(plan.stack)
        self._client.execute_change_set(StackName=plan.stack, ChangeSetName=plan.change_set)
        status, failures = self._when_settled(plan.stack, last, watch)
        if status in GOOD:
            return outputs(self._client, plan.stack)
        if any(FOUND_EARLY in one for one in failures):
            failures = self._found_early(StackName=plan.stack) or failures
        why = "; ".join(failures) or f"CloudFormation does not say; the stack was {status}"
        if status == "UPDATE_ROLLBACK_COMPLETE":
            raise UserError(f"the stack {plan.stack} is as it was before, since this failed: {why}")
        if not plan.creates:
            raise UserError(
                f"the stack {plan.stack} is {status}, since this failed: {why}. `aws cloudformation "
                f"continue-update-rollback --stack-name {plan.stack}` brings it back to what it was."
            )
        left = self.delete(plan.stack)
        remains = f"; these could not be taken away again: {'; '.join(left)}" if left else ", and nothing of it is left"
        raise UserError(f"the stack {plan.stack} was not created{remains}. What failed: {why}")

    def drop(self, plan: Plan) -> None:
        """Forgets a plan that nobody wants."""
        self._forget(plan.stack, plan.change_set, creates=plan.creates)

    def delete(self, name: str, watch: Watch = lambda _: None) -> list[str]:
        """Deletes the stack; gives the words of what could not be deleted."""
        last = self._newest_event(name)
        # By its id: the name is nobody's once it is deleted.
        stack_id = self._client.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        self._client.delete_stack(StackName=stack_id)
        status, failures = self._when_settled(stack_id, last, watch)
        return (
            [] if status == "DELETE_COMPLETE" else failures or [f"it is {status}, and CloudFormation does not say why"]
        )

    def resources(self, name: str) -> list[Resource]:
        """What the stack has."""
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=name)
        return [
            Resource(one["LogicalResourceId"], one["ResourceType"], one.get("PhysicalResourceId", ""))
            for page in pages
            for one in page["StackResourceSummaries"]
            if one["ResourceStatus"] != "DELETE_COMPLETE"
        ]

    def _when_made(self, where: dict[str, str]) -> dict[str, Any]:
        while True:
            answer: dict[str, Any] = self._client.describe_change_set(**where)
            if answer["Status"] in {"CREATE_COMPLETE", "FAILED"}:
                return answer
            time.sleep(self._poll_seconds)

    def _changes(self, where: dict[str, str]) -> Iterator[dict[str, Any]]:
        for page in self._client.get_paginator("describe_change_set").paginate(**where):
            yield from page["Changes"]

    def _found_early(self, **which: str) -> list[str]:
        """What CloudFormation's early checks refused last, each with the resource that it is of."""
        pages = self._client.get_paginator("describe_events").paginate(**which, Filters={"FailedEvents": True})
        try:
            events = [one for page in pages for one in page["OperationEvents"]]
        except ClientError:  # without the right to ask, the stack's own words must do
            return []
        refused = [
            one for one in events if one.get("ValidationStatusReason") and one.get("ValidationFailureMode") != "WARN"
        ]
        newest = max((one["Timestamp"], one.get("OperationId")) for one in refused)[1] if refused else None
        return [
            f"{one.get('LogicalResourceId', '?')}: {one['ValidationStatusReason']}"
            for one in refused
            if one.get("OperationId") == newest
        ]

    def _forget(self, name: str, change_set: str, *, creates: bool) -> None:
        if creates:  # with it goes the empty stack that CloudFormation made for it
            self._client.delete_stack(StackName=name)
        else:
            self._client.delete_change_set(StackName=name, ChangeSetName=change_set)

    def _when_settled(self, name: str, last: str, watch: Watch) -> tuple[str, list[str]]:
        """The stack's status at its end, and what failed on the way.

        By its events, not by its status: for a moment that is still the one from before.
        """
        failures: list[str] = []
        reasons: list[str] = []
        while True:
            for event in self._events_since(name, last):
                last, status = event["EventId"], event["ResourceStatus"]
                if event.get("PhysicalResourceId") == event["StackId"]:
                    reasons += [event.get("ResourceStatusReason", "?")] if status.endswith("_FAILED") else []
                    if not status.endswith(GOING_ON):
                        return status, failures or reasons
                    continue
                one = Event(
                    event["LogicalResourceId"], event["ResourceType"], status, event.get("ResourceStatusReason", "")
                )
                watch(one)
                failures += [f"{one.name}: {one.reason or '?'}"] if _is_cause(one) else []
            stack = self.find(name)
            if not stack or stack.status == "DELETE_COMPLETE":
                return "DELETE_COMPLETE", failures
            time.sleep(self._poll_seconds)

    def _newest_event(self, name: str) -> str:
        events = self._client.describe_stack_events(StackName=name)["StackEvents"]
        return events[0]["EventId"] if events else ""

    def _events_since(self, name: str, last: str) -> list[dict[str, Any]]:
        """Oldest first."""
        new: list[dict[str, Any]] = []
        for page in self._client.get_paginator("describe_stack_events").paginate(StackName=name):
            for event in page["StackEvents"]:
                if event["EventId"] == last:
                    return new[::-1]
                new.append(event)
        return new[::-1]


def outputs(cloudformation: Any, name: str, *wanted: str) -> dict[str, str]:  # noqa: ANN401 - of any endpoint
    """The stack's outputs and parameters; raises UserError where there is no such stack, or one without these names."""
    stack = Stacks(cloudformation).find(name)
    if not stack:
        where = cloudformation.meta.region_name
        pages = cloudformation.get_paginator("describe_stacks").paginate()
        ours = [
            one["StackName"] for page in pages for one in page["Stacks"] if one["StackName"].startswith("labelwatch")
        ]
        there = f" There are {', '.join(ours)}." if ours else ""
        raise UserError(f"there is no stack {name} in {where}; name it with --stack, its Region with --region.{there}")
    if missing := set(wanted) - set(stack.values):
        raise UserError(
            f"the stack {name} is {stack.status} and has no {', '.join(sorted(missing))}: it is none of Labelwatch's, "
            "or not ready, or of another version (then deploy this one first)."
        )
    return stack.values


def pointing_at(template: dict[str, Any], bucket: str, key: str) -> dict[str, Any]:
    """The template with its functions' code at this object, which must lie in the stack's Region."""
    pointing: dict[str, Any] = copy.deepcopy(template)
    for resource in pointing["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": bucket, "Key": key}
    return pointing


def compact(template: dict[str, Any]) -> str:
    """The template as it is sent: in as few bytes as it takes."""
    return json.dumps(template, separators=(",", ":"))


def _importing(buckets: dict[str, str]) -> dict[str, Any]:
    kind = "AWS::S3::Bucket"
    which = [
        {"ResourceType": kind, "LogicalResourceId": logical, "ResourceIdentifier": {"BucketName": name}}
        for logical, name in buckets.items()
    ]
    return {"ResourcesToImport": which} if which else {}


def _change(change: dict[str, Any]) -> Change:
    return Change(
        change["Action"],
        change["LogicalResourceId"],
        change["ResourceType"],
        change.get("Replacement") in {"True", "Conditional"},
    )


def _is_cause(event: Event) -> bool:
    """A failure of its own, and not of what was given up because of another."""
    return event.status.endswith("_FAILED") and not CANCELLED.match(event.reason)
