"""Changes of one stack: CloudFormation plans each, a person confirms it, and CloudFormation applies it."""

from typing import Any

from rich.table import Table

from labelwatch.deploy.stage_stack import DesiredStack
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import CtrlCError, UserError
from labelwatch.shared.stacks import Event, Plan, Stacks

ACTIONS = {"Add": "create", "Modify": "change", "Remove": "remove", "Import": "take back"}


class StackChanges:
    """Plans, confirms and applies the changes of the desired stack."""

    def __init__(self, stacks: Stacks, desired: DesiredStack, tags: dict[str, str], terminal: Terminal) -> None:
        self._stacks = stacks
        self._desired = desired
        self._tags = tags
        self._terminal = terminal

    def plan(self, template: dict[str, Any], *, creates: bool) -> Plan | None:
        """The changes that the template would make; None where it would change nothing."""
        parameters = self._desired.parameters
        return self._stacks.plan(self._desired.name, template, parameters, creates=creates, tags=self._tags)

    def plan_import(self, template: dict[str, Any], buckets: dict[str, str]) -> Plan | None:
        """A new stack of these existing buckets alone, by logical id."""
        return self._stacks.plan(self._desired.name, template, {}, creates=True, imports=buckets)

    def confirm(self, plan: Plan, *notes: str) -> None:
        """Shows the plan and asks for consent; raises UserError, and discards the plan, where there is none."""
        self.show(plan)
        for note in notes:
            self._terminal.print(note)
        try:
            self._terminal.confirm(f"{'Create' if plan.creates else 'Change'} the stack {plan.stack}?")
        except BaseException:
            self._stacks.discard(plan)
            raise

    def show(self, plan: Plan) -> None:
        """Prints the plan's changes as a table."""
        table = Table(title="What will change", title_justify="left")
        for column in ("", "resource", "kind"):
            table.add_column(column)
        for change in sorted(plan.changes, key=lambda item: (item.action, item.resource_type, item.logical_id)):
            action = ACTIONS.get(change.action, change.action.lower())
            replaced = " by a new one" if change.replaces else ""
            table.add_row(f"{action}{replaced}", change.logical_id, change.resource_type)
        self._terminal.console.print(table)

    def apply(self, plan: Plan) -> dict[str, str]:
        """Applies the plan and gives the stack's outputs; prints the resources that could not be deleted."""
        undeleted: dict[str, str] = {}
        with self._terminal.stack_progress({change.logical_id for change in plan.changes}) as show_progress:

            def on_event(event: Event) -> None:
                show_progress(event)
                if event.status == "DELETE_FAILED":
                    undeleted[event.logical_id] = event.reason
                elif event.status == "DELETE_COMPLETE":  # CloudFormation tries more than once
                    undeleted.pop(event.logical_id, None)

            try:
                outputs = self._stacks.apply(plan, on_event)
            except KeyboardInterrupt:
                raise CtrlCError(
                    f"CloudFormation goes on with {plan.stack} by itself, and the stage is not written: give the same "
                    "command again when it is over."
                ) from None
        for logical_id, reason in undeleted.items():
            self._terminal.print(f"{logical_id} was to go and is still there; delete it by hand: {reason}")
        return outputs


def required(plan: Plan | None, stack_name: str) -> Plan:
    """The plan; raises UserError where CloudFormation sees no change, though there must be changes."""
    if not plan:
        raise UserError(f"CloudFormation sees nothing to do for {stack_name}.")
    return plan
