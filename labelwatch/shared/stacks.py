"""CloudFormation stacks through change sets: plan a change, then apply it, with the failed resources' own reasons."""

import copy
import json
import re
import time
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from labelwatch.shared.errors import UserError

NOTHING_TO_CHANGE = ("didn't contain changes", "No updates are to be performed")
SUCCEEDED = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}
# A creation or an update that failed is rolled back: these states are not final.
NOT_FINAL = ("_IN_PROGRESS", "CREATE_FAILED", "UPDATE_FAILED")
# The reason of a resource that CloudFormation cancelled because another failed.
CANCELLED = re.compile("Resource (creation|update|deletion) cancelled")
# CloudFormation's early validation has no other reason than this API, which returns the findings.
EARLY_VALIDATION = "DescribeEvents"


class Stack(NamedTuple):
    """A stack, as CloudFormation describes it."""

    status: str
    parameters: dict[str, str]
    outputs: dict[str, str]
    tags: dict[str, str] = {}  # noqa: RUF012 - never changed

    @property
    def values(self) -> dict[str, str]:
        """Outputs and parameters; a parameter needs no output of its own."""
        return self.parameters | self.outputs


class Resource(NamedTuple):
    """A resource of a stack: its name in the template, its type, and its name in the account."""

    logical_id: str
    resource_type: str
    physical_id: str


class Change(NamedTuple):
    """A change of one resource: Add, Modify, Remove or Import. `replacement` is "True", "Conditional" or "False"."""

    action: str
    logical_id: str
    resource_type: str
    replacement: str


class Plan(NamedTuple):
    """A change set that waits to be applied."""

    stack: str
    change_set: str
    creates: bool
    changes: list[Change]


class Event(NamedTuple):
    """A stack event of one resource."""

    logical_id: str
    resource_type: str
    status: str
    reason: str


type OnEvent = Callable[[Event], None]


class Stacks:
    """The stacks of one account and Region."""

    def __init__(self, cloudformation: Any, poll_seconds: float = 2) -> None:  # noqa: ANN401 - of any endpoint
        self._client = cloudformation
        self._poll_seconds = poll_seconds

    def find(self, name: str) -> Stack | None:
        """The stack of this name, or None."""
        try:
            (stack,) = self._client.describe_stacks(StackName=name)["Stacks"]
        except ClientError as problem:
            if problem.response["Error"]["Code"] != "ValidationError":
                raise
            return None
        return Stack(
            stack["StackStatus"],
            {item["ParameterKey"]: item.get("ParameterValue", "") for item in stack.get("Parameters", [])},
            {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])},
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
        """The changes that this template, or the template at this URL, would make; None where it would change nothing.

        `imports` are existing buckets, by their logical ids; the template has no other resources then. Raises UserError
        with CloudFormation's reason where it refuses.
        """
        names = {"StackName": name, "ChangeSetName": f"labelwatch-{uuid.uuid4().hex[:12]}"}
        try:
            created = self._client.create_change_set(
                **names,
                **_template_source(template),
                **_tag_list(tags or {}),
                **_resources_to_import(imports or {}),
                ChangeSetType="IMPORT" if imports else "CREATE" if creates else "UPDATE",
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            )
            change_set = self._wait_for_change_set(names)
        except ClientError as problem:
            raise UserError(f"CloudFormation rejected the change: {problem.response['Error']['Message']}") from None
        plan = Plan(name, names["ChangeSetName"], creates, [])
        if change_set["Status"] == "FAILED":
            self._discard_failed(plan, created["Id"], change_set.get("StatusReason", "no reason given"))
            return None
        return plan._replace(changes=self._changes(names))

    def apply(self, plan: Plan, on_event: OnEvent = lambda _: None) -> dict[str, str]:
        """Applies the plan and returns the stack's outputs; calls `on_event` with each resource's events.

        Raises UserError with the failed resources' own reasons; then the stack is as it was before, or deleted if it
        was new.
        """
        last = self._newest_event(plan.stack)
        self._client.execute_change_set(StackName=plan.stack, ChangeSetName=plan.change_set)
        status, failures = self._wait_for_end(plan.stack, last, on_event)
        if status in SUCCEEDED:
            return outputs(self._client, plan.stack)
        if any(EARLY_VALIDATION in failure for failure in failures):
            failures = self._early_findings(StackName=plan.stack) or failures
        why = "; ".join(failures) or f"no reason given; the status was {status}"
        if status == "UPDATE_ROLLBACK_COMPLETE":
            raise UserError(f"Update of stack {plan.stack} failed and was rolled back. Reason: {why}")
        if not plan.creates:
            raise UserError(
                f"Update of stack {plan.stack} failed, and the stack is {status}. Reason: {why}. Run "
                f"`aws cloudformation continue-update-rollback --stack-name {plan.stack}` to restore it."
            )
        undeleted = self.delete(plan.stack)
        remains = f"Not deleted: {'; '.join(undeleted)}." if undeleted else "All its resources were deleted."
        raise UserError(f"Creation of stack {plan.stack} failed. {remains} Reason: {why}")

    def discard(self, plan: Plan) -> None:
        """Deletes a plan that is not to be applied."""
        if plan.creates:  # this deletes the empty stack too that CloudFormation made for the change set
            self._client.delete_stack(StackName=plan.stack)
        else:
            self._client.delete_change_set(StackName=plan.stack, ChangeSetName=plan.change_set)

    def delete(self, name: str, on_event: OnEvent = lambda _: None) -> list[str]:
        """Deletes the stack; returns the reasons of resources that could not be deleted."""
        last = self._newest_event(name)
        # By its id: CloudFormation does not describe a deleted stack by its name.
        stack_id = self._client.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        self._client.delete_stack(StackName=stack_id)
        status, failures = self._wait_for_end(stack_id, last, on_event)
        return [] if status == "DELETE_COMPLETE" else failures or [f"no reason given; the status is {status}"]

    def resources(self, name: str) -> list[Resource]:
        """The resources that the stack has."""
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=name)
        return [
            Resource(summary["LogicalResourceId"], summary["ResourceType"], summary.get("PhysicalResourceId", ""))
            for page in pages
            for summary in page["StackResourceSummaries"]
            if summary["ResourceStatus"] != "DELETE_COMPLETE"
        ]

    def _wait_for_change_set(self, names: dict[str, str]) -> dict[str, Any]:
        while True:
            change_set: dict[str, Any] = self._client.describe_change_set(**names)
            if change_set["Status"] in {"CREATE_COMPLETE", "FAILED"}:
                return change_set
            time.sleep(self._poll_seconds)

    def _changes(self, names: dict[str, str]) -> list[Change]:
        pages = self._client.get_paginator("describe_change_set").paginate(**names)
        return [_change(change["ResourceChange"]) for page in pages for change in page["Changes"]]

    def _early_findings(self, **subject: str) -> list[str]:
        """What CloudFormation's early validation refused last, each finding with its resource."""
        pages = self._client.get_paginator("describe_events").paginate(**subject, Filters={"FailedEvents": True})
        try:
            events = [event for page in pages for event in page["OperationEvents"]]
        except ClientError:  # without the right to call it, the stack's own reason must do
            return []
        refusals = [
            event
            for event in events
            if event.get("ValidationStatusReason") and event.get("ValidationFailureMode") != "WARN"
        ]
        newest = max((event["Timestamp"], event.get("OperationId")) for event in refusals)[1] if refusals else None
        return [
            f"{event.get('LogicalResourceId', '?')}: {event['ValidationStatusReason']}"
            for event in refusals
            if event.get("OperationId") == newest
        ]

    def _discard_failed(self, plan: Plan, change_set_id: str, reason: str) -> None:
        """Discards a change set that failed; raises UserError unless it failed because it has no changes."""
        findings = self._early_findings(ChangeSetName=change_set_id) if EARLY_VALIDATION in reason else []
        self.discard(plan)
        if not any(words in reason for words in NOTHING_TO_CHANGE):
            raise UserError(f"CloudFormation rejected the change: {'; '.join(findings) or reason}")

    def _wait_for_end(self, name: str, last: str, on_event: OnEvent) -> tuple[str, list[str]]:
        """The stack's final status, and the failures before it.

        By its events, not by its status: for a moment that is still the status from before.
        """
        failures: list[str] = []
        reasons: list[str] = []
        while True:
            for event in self._events_since(name, last):
                last, status = event["EventId"], event["ResourceStatus"]
                if event.get("PhysicalResourceId") == event["StackId"]:
                    reasons += [event.get("ResourceStatusReason", "?")] if status.endswith("_FAILED") else []
                    if not status.endswith(NOT_FINAL):
                        return status, failures or reasons
                    continue
                resource = Event(
                    event["LogicalResourceId"], event["ResourceType"], status, event.get("ResourceStatusReason", "")
                )
                on_event(resource)
                failures += [f"{resource.logical_id}: {resource.reason or '?'}"] if _is_cause(resource) else []
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


def outputs(cloudformation: Any, name: str, *required: str) -> dict[str, str]:  # noqa: ANN401 - of any endpoint
    """The stack's outputs and parameters; raises UserError without such a stack, or without one of the required."""
    stack = Stacks(cloudformation).find(name)
    if not stack:
        region = cloudformation.meta.region_name
        pages = cloudformation.get_paginator("describe_stacks").paginate()
        names = [found["StackName"] for page in pages for found in page["Stacks"]]
        similar = [found for found in names if found.startswith("labelwatch")]
        hint = f" Stacks in {region}: {', '.join(similar)}." if similar else ""
        raise UserError(f"No stack named {name} in {region}. Pass --stack or --region.{hint}")
    if missing := set(required) - set(stack.values):
        raise UserError(
            f"Stack {name} ({stack.status}) has no output {', '.join(sorted(missing))}. Check that it is a Labelwatch "
            "stack, that its creation is complete, and that this version is deployed."
        )
    return stack.values


def pointing_at(template: dict[str, Any], bucket: str, key: str) -> dict[str, Any]:
    """The template with its functions' code at this object, which must lie in the stack's Region."""
    copied: dict[str, Any] = copy.deepcopy(template)
    for resource in copied["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": bucket, "Key": key}
    return copied


def compact(template: dict[str, Any]) -> str:
    """The template as JSON without blanks: CloudFormation limits its bytes."""
    return json.dumps(template, separators=(",", ":"))


_TEXTS = {"Description", "ConstraintDescription"}


def inline(template: dict[str, Any]) -> str:
    """The template for an API call, without the texts that only the console's form and its results show."""
    parts = {name: part for name, part in template.items() if name != "Metadata"}
    for name in {"Parameters", "Outputs"} & parts.keys():
        parts[name] = {item: {key: of[key] for key in of if key not in _TEXTS} for item, of in parts[name].items()}
    return compact(parts)


def _template_source(template: dict[str, Any] | str) -> dict[str, str]:
    return {"TemplateURL": template} if isinstance(template, str) else {"TemplateBody": inline(template)}


def _tag_list(tags: dict[str, str]) -> dict[str, Any]:
    # Left out without tags: an empty list would remove the tags that the stack has.
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]} if tags else {}


def _resources_to_import(buckets: dict[str, str]) -> dict[str, Any]:
    resources = [
        {
            "ResourceType": "AWS::S3::Bucket",
            "LogicalResourceId": logical_id,
            "ResourceIdentifier": {"BucketName": name},
        }
        for logical_id, name in buckets.items()
    ]
    return {"ResourcesToImport": resources} if resources else {}


def _change(change: dict[str, Any]) -> Change:
    return Change(
        change["Action"],
        change["LogicalResourceId"],
        change["ResourceType"],
        change.get("Replacement", "False"),
    )


def _is_cause(event: Event) -> bool:
    """Whether this is a failure of its own, and not a cancellation because another resource failed."""
    return event.status.endswith("_FAILED") and not CANCELLED.match(event.reason)
