"""`labelwatch up`: the resources stack of a stage, and the stage that `chalice deploy` reads."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError
from rich.table import Table

from chalicelib.settings import GENERAL_MODEL
from labelwatch.deploy import functions, parameters, preflight, stage
from labelwatch.deploy.buckets import OwnBuckets
from labelwatch.deploy.package import STAGE as TEMPLATE
from labelwatch.deploy.package import check_python, resources
from labelwatch.deploy.preflight import BUCKETS, Wanted
from labelwatch.shared.account import Account
from labelwatch.shared.console import Terminal, watching
from labelwatch.shared.errors import CtrlCError, UserError
from labelwatch.shared.project import PROJECT
from labelwatch.shared.stacks import Event, Plan, Resource, Stack, Stacks

CONFIG = PROJECT / ".chalice" / "config.json"
# The names of schedules have it, as `labelwatch-STAGE-manage_model-event`, in 64 characters.
STAGE_NAME = r"[a-z][a-z0-9-]{0,34}[a-z0-9]|[a-z]"
# A creation that came to nothing: CloudFormation can only delete what is left of it.
LEFTOVERS = {
    "ROLLBACK_COMPLETE": "What is left of a creation that failed",
    "ROLLBACK_FAILED": "What is left of a creation that failed",
    "REVIEW_IN_PROGRESS": "A creation that waits for somebody's consent, perhaps a colleague's,",
}
STOPPED = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}
# By which a stack of Labelwatch is known; one that only took its buckets back has none.
A_PART_OF_EACH = "ImagesQueue"
# What a bucket has of other resources, and how long it keeps things: CloudFormation sets what it was imported without.
SET_AFTER_IMPORT = {"NotificationConfiguration", "LoggingConfiguration", "CorsConfiguration", "LifecycleConfiguration"}
SHOWN = {"Add": "create", "Modify": "change", "Remove": "remove", "Import": "take back"}


def run(account: Account, name: str, given: dict[str, str], terminal: Terminal, tags: dict[str, str]) -> None:
    """Creates or updates the stack, writes the stage, and says what is next."""
    check_python()
    stacks = Stacks(account.client("cloudformation"))
    stack_name = stack_of(name)
    terminal.print(f"{stack_name} in account {account.id}, Region {account.region}")
    refuse_elsewhere(account, name)
    found = as_it_stands(stacks, stack_name)
    now = None if found and found.status in LEFTOVERS else found
    has = stacks.resources(stack_name) if now else []
    refuse_others(stack_name, has)
    if now:
        stage.check(CONFIG, name, stack_name, now.values)
    template = resources()
    values = parameters.complete(
        template, _with_a_database(given, name, now), (now.parameters or None) if now else None, terminal.ask
    )
    wanted = Wanted(stack_name, values, now, {one.name: one.id for one in has})
    for finding in preflight.findings(account, wanted):
        terminal.print(f"  ✓ {finding}")
    kept = preflight.kept(account, wanted)
    if found and not now:
        _clear(stacks, stack_name, found.status, terminal)
    tags = (now.tags if now else {}) | tags | {"application": "labelwatch", "stack": stack_name}
    outputs = Deployment(account, wanted, template, tags, terminal).outputs(kept)
    _write_stage(name, stack_name, outputs, terminal)
    if now and outputs["Tracing"] == "no":
        _turn_traces_off(account, stack_name, terminal)
    _tell_what_is_next(account, name, outputs, terminal)


def stack_of(stage_name: str) -> str:
    """The stack of a stage; raises UserError where that cannot be one's name."""
    if stage_name == TEMPLATE or not re.fullmatch(STAGE_NAME, stage_name):
        raise UserError(
            f"{stage_name!r} is no name for a stage: it must have 1 to 36 lower-case letters, digits and hyphens, "
            f"begin with a letter, not end with a hyphen, and not be {TEMPLATE!r}."
        )
    return f"labelwatch-{stage_name}"


def refuse_elsewhere(account: Account, name: str) -> None:
    """Raises UserError where the stage is of another Region or account: one stage has one stack."""
    home = stage.home(CONFIG, name)
    if home and home != (account.region, account.id):
        region, owner = home
        raise UserError(
            f"the stage {name} is of account {owner}, Region {region}, and this is account {account.id}, Region "
            f"{account.region}; name that one (--profile, --region), or another stage."
        )


def refuse_others(stack_name: str, has: list[Resource]) -> None:
    """Raises UserError where the stack is not Labelwatch's, or was launched as one template, functions and all."""
    names = {one.name for one in has}
    if names - set(BUCKETS) and A_PART_OF_EACH not in names:
        raise UserError(f"the stack {stack_name} is something else than Labelwatch's; take another stage.")
    if any(one.kind == "AWS::Lambda::Function" for one in has):
        raise UserError(
            f"the stack {stack_name} was launched from the one template, with its functions in it: change or delete it "
            "as it was made (CloudFormation), or take another stage."
        )


class Deployment:
    """What the template is to make of the stack, once the operator has seen and agreed."""

    def __init__(
        self, account: Account, wanted: Wanted, template: dict[str, Any], tags: dict[str, str], terminal: Terminal
    ) -> None:
        self._stacks = Stacks(account.client("cloudformation"))
        self._buckets = OwnBuckets(account)
        self._wanted = wanted
        self._template = template
        self._tags = tags
        self._terminal = terminal

    def outputs(self, kept: dict[str, str]) -> dict[str, str]:
        """Those of the stack when it is as the template says, with the buckets that were kept from an earlier one."""
        now = self._wanted.now
        if kept:
            self._apply(self._plan(buckets_alone(self._template, kept), creates=True, imports=kept))
        taken_back = kept or self._taken_back_before()
        # CloudFormation changes nothing of what it imports, and sees no difference after it.
        for logical, name in taken_back.items():
            self._buckets.guard(name, self._template["Resources"][logical]["Properties"])
        if taken_back:
            return self._around(agreed=bool(kept))
        plan = self._plan(self._template, creates=not now)
        if now and not plan:
            lost = [name for name, value in self._wanted.parameters.items() if now.parameters.get(name) != value]
            if lost:
                raise UserError(f"CloudFormation sees no change, although {', '.join(lost)} would be another.")
            self._terminal.print("Nothing in the stack has to change.")
            return now.values
        return self._apply(plan)

    def _taken_back_before(self) -> dict[str, str]:
        """The buckets that a run took back which came no further."""
        wanted = self._wanted
        half = wanted.now and not wanted.now.outputs
        return {name: wanted.has[name] for name in BUCKETS if name in wanted.has} if half else {}

    def _around(self, *, agreed: bool) -> dict[str, str]:
        """Makes all else around the buckets."""
        try:
            return self._apply(self._plan(self._template, creates=False), agreed=agreed)
        except UserError as problem:
            raise UserError(
                f"the buckets are taken back, and nothing else is made: {problem} The same command again goes on "
                "from there."
            ) from None

    def _plan(self, template: dict[str, Any], *, creates: bool, imports: dict[str, str] | None = None) -> Plan | None:
        values = {name: value for name, value in self._wanted.parameters.items() if name in template["Parameters"]}
        return self._stacks.plan(
            self._wanted.name, template, values, creates=creates, tags=None if imports else self._tags, imports=imports
        )

    def _apply(self, plan: Plan | None, *, agreed: bool = False) -> dict[str, str]:
        if not plan:
            raise UserError(f"CloudFormation sees nothing to do for {self._wanted.name}.")
        self._terminal.console.print(_shown(plan))
        if not agreed:
            if any(change.action == "Import" for change in plan.changes):
                self._terminal.print("Everything else is created after that.")
            try:
                self._terminal.confirm(f"{'Create' if plan.creates else 'Change'} the stack {plan.stack}?")
            except BaseException:
                self._stacks.drop(plan)
                raise
        left: dict[str, str] = {}
        with self._terminal.progress() as bars:
            moves = watching(bars, bars.add_task("", total=len(plan.changes)), {one.name for one in plan.changes})

            def watch(event: Event) -> None:
                moves(event)
                if event.status == "DELETE_FAILED":
                    left[event.name] = event.reason
                elif event.status == "DELETE_COMPLETE":  # CloudFormation tries more than once
                    left.pop(event.name, None)

            try:
                outputs = self._stacks.apply(plan, watch)
            except KeyboardInterrupt:
                raise CtrlCError(
                    f"CloudFormation goes on with {plan.stack} by itself, and the stage is not written: give the same "
                    "command again when it is over."
                ) from None
        for name, reason in left.items():
            self._terminal.print(f"{name} was to go and is still there; delete it by hand: {reason}")
        return outputs


def buckets_alone(template: dict[str, Any], kept: dict[str, str]) -> dict[str, Any]:
    """The template that these buckets are imported by: with their guards, without what they have of other resources."""
    own = template["Resources"]
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


def as_it_stands(stacks: Stacks, name: str) -> Stack | None:
    """The stack, where there is one; raises UserError where it is in somebody's hands, or stuck."""
    now = stacks.find(name)
    if now and now.status not in {*STOPPED, *LEFTOVERS}:
        over = now.status.endswith("_IN_PROGRESS")
        way_out = (
            "try again when that is over"
            if over
            else "the CloudFormation console says why, and lets you go on or delete"
        )
        raise UserError(f"the stack {name} is {now.status}; {way_out}.")
    return now


def _clear(stacks: Stacks, name: str, status: str, terminal: Terminal) -> None:
    """Takes away what a new stack of the name cannot be made over."""
    terminal.print(f"{LEFTOVERS[status]} has this name ({status}), and must be deleted first.")
    terminal.confirm(f"Delete that {name}?")
    left = stacks.delete(name)
    if left:
        raise UserError(f"what is left of {name} could not be deleted: {'; '.join(left)}")


def _turn_traces_off(account: Account, stack_name: str, terminal: Terminal) -> None:
    try:
        traced = functions.traced(account, stack_name)
        if traced and terminal.accepts(f"X-Ray is on in {', '.join(traced)}, and chalice deploy leaves it so. Off?"):
            functions.stop_tracing(account, traced)
    except (ClientError, WaiterError) as problem:
        terminal.print(f"Whether X-Ray is off in the functions is not known: {problem}")


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


def _write_stage(name: str, stack_name: str, outputs: dict[str, str], terminal: Terminal) -> None:
    where = CONFIG.relative_to(PROJECT)
    if not stage.write(CONFIG, name, stack_name, outputs):
        terminal.print(f"The stage {name} in {where} is as it should be.")
        return
    terminal.console.print(
        f"\nThe stage {name} stands in {where} now. Commit that to your own repository, so that everybody deploys the "
        "same; keep the repository private: there is no secret in it, but your account's number, names and an e-mail "
        f"address. The same goes for .chalice/deployed/{name}.json, which chalice deploy writes: without it the next "
        "deployment would make a second REST API."
    )


def _tell_what_is_next(account: Account, name: str, outputs: dict[str, str], terminal: Terminal) -> None:
    chalice, labelwatch = (shlex.quote(str(Path(sys.executable).with_name(tool))) for tool in ("chalice", "labelwatch"))
    profile = f" --profile {shlex.quote(account.profile)}" if account.profile else ""
    region = f"AWS_DEFAULT_REGION={account.region} "
    model = outputs["CustomModelARN"]
    start = f"{labelwatch} model start --stack {stack_of(name)}"
    confirm = f"{labelwatch} subscribers confirm 'LINK' --stack {stack_of(name)}"
    steps = [
        f"{region}{chalice} deploy --stage {name}{profile}",
        f"{region}{confirm}{profile}   # the links of two e-mails to {outputs['EmailNotification']}",
        *([] if model == GENERAL_MODEL else [f"{region}{start}{profile}   # about 4 USD an hour until it is stopped"]),
        f"{region}aws s3 cp leaf.jpg s3://{outputs['InputBucket']}/{profile}",
    ]
    terminal.print("\nNext:")
    for number, step in enumerate(steps, 1):
        terminal.print(f"  {number}. {step}")
    terminal.print(f"The dashboard: {outputs['DashboardUrl']}")
