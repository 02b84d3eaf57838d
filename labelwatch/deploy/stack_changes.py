"""Changes of one stack: CloudFormation plans each, a person confirms it, and CloudFormation applies it."""

from typing import Any

from rich.table import Table

from labelwatch.deploy.stage_stack import DesiredStack
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import CtrlCError, UserError
from labelwatch.shared.stacks import Event, Plan, Stacks

ACTIONS = {"Add": "create", "Modify": "change", "Remove": "remove", "Import": "take back"}


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
        """The changes from the present stack to the template; None where there are none."""
        name, parameters = self.desired.name, self.desired.parameters
        return self._stacks.plan(name, self.template, parameters, creates=creates, tags=self._tags)

    def plan_import(self, template: dict[str, Any], buckets: dict[str, str]) -> Plan | None:
        """The creation of the stack with these existing buckets alone, by logical id."""
        return self._stacks.plan(self.desired.name, template, {}, creates=True, imports=buckets)

    def required(self, plan: Plan | None) -> Plan:
        """The plan; raises UserError where CloudFormation sees no changes, though there must be changes."""
        if not plan:
            raise UserError(f"CloudFormation sees nothing to do for {self.desired.name}.")
        return plan

    def confirm(self, plan: Plan, *notes: str) -> None:
        """Shows the plan and asks for consent; raises UserError, and discards the plan, where there is none."""
        self.show(plan)
        for note in notes:
            self.terminal.print(note)
        try:
            self.terminal.confirm(f"{'Create' if plan.creates else 'Change'} the stack {plan.stack}?")
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
        self.terminal.console.print(table)

    def apply(self, plan: Plan) -> dict[str, str]:
        """Applies the plan and gives the stack's outputs; prints the resources that could not be deleted."""
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
                    f"CloudFormation goes on with {plan.stack} by itself, and the stage is not written: give the same "
                    "command again when it is over."
                ) from None
        for logical_id, reason in undeleted.items():
            self.terminal.print(f"{logical_id} was to go and is still there; delete it by hand: {reason}")
        return outputs
