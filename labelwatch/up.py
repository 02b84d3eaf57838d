"""`labelwatch up`: the resources stack of a stage, and the stage that `chalice deploy` reads."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

from rich.table import Table

from chalicelib.settings import GENERAL_MODEL
from labelwatch import parameters, preflight, stage
from labelwatch.aws import Account
from labelwatch.errors import UserError
from labelwatch.operator import Operator, watching
from labelwatch.package import PROJECT, check_python, resources
from labelwatch.package import STAGE as TEMPLATE
from labelwatch.preflight import Wanted
from labelwatch.stack import Plan, Stack, Stacks

CONFIG = PROJECT / ".chalice" / "config.json"
# The names of functions have it, as `labelwatch-STAGE-authorize`, in 64 characters.
STAGE_NAME = r"[a-z][a-z0-9-]{0,38}[a-z0-9]|[a-z]"
# A creation that came to nothing: CloudFormation can only delete what is left of it.
LEFTOVERS = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS"}
STOPPED = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}
# What a bucket has of other resources.
SET_AFTER_IMPORT = {"NotificationConfiguration", "LoggingConfiguration", "CorsConfiguration"}
SHOWN = {"Add": "create", "Modify": "change", "Remove": "remove", "Import": "take back"}


def run(account: Account, name: str, given: dict[str, str], operator: Operator, tags: dict[str, str]) -> None:
    """Creates or updates the stack, writes the stage, and says what is next."""
    check_python()
    stage.read(CONFIG)
    stacks = Stacks(account.client("cloudformation"))
    stack_name = stack_of(name)
    operator.tell(f"{stack_name} in account {account.id}, Region {account.region}")
    now = _as_it_stands(stacks, stack_name, operator)
    template = resources()
    values = parameters.complete(
        template, _with_a_database(given, name, now), (now.parameters or None) if now else None, operator.answers
    )
    wanted = Wanted(stack_name, values, now)
    for finding in preflight.findings(account, wanted):
        operator.tell(f"  ✓ {finding}")
    outputs = Deployment(stacks, wanted, template, tags, operator).outputs(preflight.kept(account, wanted))
    _write_stage(name, stack_name, outputs, operator)
    _tell_what_is_next(account, name, outputs, operator)


def stack_of(stage_name: str) -> str:
    """The stack of a stage; raises UserError where that cannot be one's name."""
    if stage_name == TEMPLATE or not re.fullmatch(STAGE_NAME, stage_name):
        raise UserError(
            f"{stage_name!r} is no name for a stage: it must have 1 to 40 lower-case letters, digits and hyphens, "
            f"begin with a letter, not end with a hyphen, and not be {TEMPLATE!r}."
        )
    return f"labelwatch-{stage_name}"


class Deployment:
    """What the template is to make of the stack, once the operator has seen and agreed."""

    def __init__(
        self, stacks: Stacks, wanted: Wanted, template: dict[str, Any], tags: dict[str, str], operator: Operator
    ) -> None:
        self._stacks = stacks
        self._wanted = wanted
        self._template = template
        self._tags = tags
        self._operator = operator

    def outputs(self, kept: dict[str, str]) -> dict[str, str]:
        """Those of the stack when it is as the template says, with the buckets that were kept from an earlier one."""
        now = self._wanted.now
        if kept:
            # CloudFormation changes nothing of what it imports: what a bucket has of other resources comes after that.
            self._apply(self._plan(self._without_others(kept), creates=True, imports=kept))
            return self._apply(self._plan(self._template, creates=False), agreed=True)
        plan = self._plan(self._template, creates=not now)
        if now and not plan:
            lost = [name for name, value in self._wanted.parameters.items() if now.parameters.get(name) != value]
            if lost:
                raise UserError(f"CloudFormation sees no change, although {', '.join(lost)} would be another.")
            self._operator.tell("Nothing in the stack has to change.")
            return now.outputs
        return self._apply(plan)

    def _plan(self, template: dict[str, Any], *, creates: bool, imports: dict[str, str] | None = None) -> Plan | None:
        values = {name: value for name, value in self._wanted.parameters.items() if name in template["Parameters"]}
        return self._stacks.plan(
            self._wanted.name, template, values, creates=creates, tags=None if imports else self._tags, imports=imports
        )

    def _apply(self, plan: Plan | None, *, agreed: bool = False) -> dict[str, str]:
        if not plan:
            raise UserError(f"CloudFormation sees nothing to do for {self._wanted.name}.")
        if not agreed:
            self._operator.console.print(_shown(plan))
            if any(change.action == "Import" for change in plan.changes):
                self._operator.tell("Everything else is created after that.")
            try:
                self._operator.must_agree(f"{'Create' if plan.creates else 'Change'} the stack {plan.stack}?")
            except BaseException:
                self._stacks.drop(plan)
                raise
        with self._operator.progress() as bars:
            bar = bars.add_task("", total=len(plan.changes))
            return self._stacks.apply(plan, watching(bars, bar, {change.name for change in plan.changes}))

    def _without_others(self, kept: dict[str, str]) -> dict[str, Any]:
        own = self._template["Resources"]
        buckets = {
            logical: {
                "Type": "AWS::S3::Bucket",
                "DeletionPolicy": "Retain",
                "Properties": {
                    key: value for key, value in own[logical]["Properties"].items() if key not in SET_AFTER_IMPORT
                }
                | {"BucketName": name},
            }
            for logical, name in kept.items()
        }
        return {"AWSTemplateFormatVersion": "2010-09-09", "Parameters": {}, "Resources": buckets}


def _as_it_stands(stacks: Stacks, name: str, operator: Operator) -> Stack | None:
    now = stacks.find(name)
    if now and now.status in LEFTOVERS:
        operator.tell(f"What is left of a creation that failed ({now.status}) is deleted first.")
        left = stacks.delete(name)
        if left:
            raise UserError(f"what is left of {name} could not be deleted: {'; '.join(left)}")
        return None
    if now and now.status not in STOPPED:
        over = now.status.endswith("_IN_PROGRESS")
        way_out = (
            "try again when that is over"
            if over
            else "the CloudFormation console says why, and lets you go on or delete"
        )
        raise UserError(f"the stack {name} is {now.status}; {way_out}.")
    return now


def _with_a_database(given: dict[str, str], name: str, now: Stack | None) -> dict[str, str]:
    """Each stage has a database of its own, unless one is named."""
    return given if now and now.parameters else {"DatabaseName": f"labelwatch_{name.replace('-', '_')}"} | given


def _shown(plan: Plan) -> Table:
    table = Table(title="What will change", title_justify="left")
    for column in ("", "resource", "kind"):
        table.add_column(column)
    for change in sorted(plan.changes, key=lambda one: (one.action, one.kind, one.name)):
        action = SHOWN.get(change.action, change.action.lower())
        table.add_row(f"{action}{' by a new one' if change.replaces else ''}", change.name, change.kind)
    return table


def _write_stage(name: str, stack_name: str, outputs: dict[str, str], operator: Operator) -> None:
    where = CONFIG.relative_to(PROJECT)
    if not stage.write(CONFIG, name, stack_name, outputs):
        operator.tell(f"The stage {name} in {where} is as it should be.")
        return
    operator.console.print(
        f"\nThe stage {name} stands in {where} now. Commit that to your own repository, so that everybody deploys the "
        "same; keep the repository private: there is no secret in it, but your account's number, names and an e-mail "
        f"address. The same goes for .chalice/deployed/{name}.json, which chalice deploy writes: without it the next "
        "deployment would make a second REST API."
    )


def _tell_what_is_next(account: Account, name: str, outputs: dict[str, str], operator: Operator) -> None:
    chalice, labelwatch = (shlex.quote(str(Path(sys.executable).with_name(tool))) for tool in ("chalice", "labelwatch"))
    profile = f" --profile {shlex.quote(account.profile)}" if account.profile else ""
    region = f"AWS_DEFAULT_REGION={account.region} "
    model = outputs["CustomModelARN"]
    start = f"aws rekognition start-project-version --project-version-arn {model} --min-inference-units 1"
    confirm = f"{labelwatch} subscribers confirm 'LINK' --stack {stack_of(name)}"
    steps = [
        f"{region}{chalice} deploy --stage {name}{profile}",
        f"{region}{confirm}{profile}   # the links of two e-mails to {outputs['EmailNotification']}",
        *([] if model == GENERAL_MODEL else [f"{region}{start}{profile}   # about 4 USD an hour until it is stopped"]),
        f"{region}aws s3 cp leaf.jpg s3://{outputs['InputBucket']}/{profile}",
    ]
    operator.tell("\nNext:")
    for number, step in enumerate(steps, 1):
        operator.tell(f"  {number}. {step}")
    operator.tell(f"The dashboard: {outputs['DashboardUrl']}")
