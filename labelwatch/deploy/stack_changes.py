"""Changes of one stack: planned by CloudFormation, confirmed at the terminal, applied by CloudFormation."""

from typing import Any

from rich.table import Table

from labelwatch.deploy.stage_stack import DesiredStack
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import CtrlCError, UserError
from labelwatch.shared.stacks import Event, Plan, Stacks

ACTIONS = {"Add": "create", "Modify": "update", "Remove": "delete", "Import": "import"}
REPLACEMENTS = {"True": "replace", "Conditional": "may replace"}


class StackChanges:
    """Plans, confirms and applies the changes that make the stack as desired."""

    def __init__(
        self,
        stacks: Stacks,
        desired: DesiredStack,
        template: dict[str, Any],
        tags: dict[str, str],
        terminal: Terminal,
    ) -> None:
        self.desired = desired
        self.template = template
        self.terminal = terminal
        self._stacks = stacks
        self._tags = tags

    def plan(self, *, creates: bool = False) -> Plan | None:
        """The changes from the present stack to the template, or None."""
        name, parameters = self.desired.name, self.desired.parameters
        return self._stacks.plan(name, self.template, parameters, creates=creates, tags=self._tags)

    def plan_import(self, template: dict[str, Any], buckets: dict[str, str]) -> Plan | None:
        """The creation of the stack with these existing buckets alone, by logical id."""
        return self._stacks.plan(self.desired.name, template, {}, creates=True, imports=buckets)

    def required(self, plan: Plan | None) -> Plan:
        """The plan; raises UserError where CloudFormation found no changes, though the stack is incomplete."""
        if not plan:
            raise UserError(
                f"CloudFormation found no changes for the incomplete stack {self.desired.name}. Open the stack in the "
                "CloudFormation console."
            )
        return plan

    def confirm(self, plan: Plan, *notes: str) -> None:
        """Shows the plan and the question; raises UserError, and discards the plan, unless the answer is yes."""
        self.show(plan)
        for note in notes:
            self.terminal.print(note)
        try:
            self.terminal.confirm(f"{'Create' if plan.creates else 'Update'} stack {plan.stack}?")
        except BaseException:
            self._stacks.discard(plan)
            raise

    def show(self, plan: Plan) -> None:
        """Prints the plan's changes as a table."""
        self.terminal.print("\nChanges")
        table = Table()
        for column in ("change", "resource", "type"):
            table.add_column(column, overflow="fold")
        for change in sorted(plan.changes, key=lambda item: (item.action, item.resource_type, item.logical_id)):
            action = REPLACEMENTS.get(change.replacement) or ACTIONS.get(change.action, change.action.lower())
            table.add_row(action, change.logical_id, change.resource_type)
        self.terminal.console.print(table)

    def apply(self, plan: Plan) -> dict[str, str]:
        """Applies the plan and returns the stack's outputs; prints the resources that could not be deleted."""
        undeleted: dict[str, str] = {}
        with self.terminal.stack_progress({change.logical_id for change in plan.changes}) as show_progress:

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
                    f"Stopped waiting: CloudFormation continues with stack {plan.stack}. The stage is not written yet. "
                    "Run the same command in a few minutes."
                ) from None
        for logical_id, reason in undeleted.items():
            self.terminal.print(
                f"Could not delete {logical_id}: {reason.rstrip('.')}. Delete the resource in the AWS console."
            )
        return outputs
