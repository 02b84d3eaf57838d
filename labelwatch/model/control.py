"""Status, start and stop of the model of a stack, for a person at a terminal."""

from collections.abc import Callable
from typing import NamedTuple

from rich.table import Table

from chalicelib.adapters.aws_lambda import EventSourceMapping
from chalicelib.adapters.dynamodb import ModelStateTable
from chalicelib.adapters.rekognition import ModelVersion
from chalicelib.adapters.sqs import Queue
from chalicelib.domain.model import RUNNING, STARTABLE, STARTING, STOPPING
from chalicelib.settings import GENERAL_MODEL
from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError, user_error_on_fault
from labelwatch.shared.text import counted

REFUSED = "AWS does not do it"
OUTPUTS = ("CustomModelARN", "ImagesQueueArn", "ImagesQueueUrl", "TableName", "ModelAutoStart")
COST = "about 4 USD an hour for each inference unit until it is stopped, used or not"

_PAUSED = "paused; manage_model resumes it within a minute once the model runs"
# https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html
_POLLING = {"Enabled": "on", "Enabling": "on in a moment", "Disabling": _PAUSED, "Disabled": _PAUSED}


class StackModel(NamedTuple):
    """The model of a stack, with the queue, the event source mapping and the state that belong to it."""

    version: ModelVersion
    mapping: EventSourceMapping
    queue: Queue
    model_states: ModelStateTable
    auto_start: bool


def from_stack(account: Account, name: str) -> StackModel:
    """The model of the stack; raises UserError where it has none of its own."""
    outputs = stacks.outputs(account.client("cloudformation"), name, *OUTPUTS)
    if outputs["CustomModelARN"] == GENERAL_MODEL:
        raise UserError(f"{name} uses Rekognition's general labels, which are always there: nothing starts or stops.")
    return StackModel(
        ModelVersion(account.client("rekognition"), outputs["CustomModelARN"]),
        EventSourceMapping(account.client("lambda"), outputs["ImagesQueueArn"], f"{name}-detect"),
        Queue(account.client("sqs"), outputs["ImagesQueueUrl"]),
        ModelStateTable(account.client("dynamodb"), outputs["TableName"]),
        outputs["ModelAutoStart"] == "yes",
    )


def status_table(model: StackModel) -> Table:
    """The status of the model, for the terminal; times in UTC."""
    with user_error_on_fault(REFUSED):
        status, mappings, state = model.version.status(), model.mapping.states(), model.model_states.load()
        waiting = model.queue.waiting()
    is_up = status in {RUNNING, STARTING, STOPPING}
    started_at = state.started_at if state.model == model.version.name else None
    started_by = f"Labelwatch, {started_at:%Y-%m-%d %H:%M}" if started_at else "a person or another tool"
    table = Table(show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in {
        "model": model.version.name,
        "status": status,
        "started by": started_by if is_up else "-",
        "polling of the images queue": ", ".join(map(_polling, mappings.values()))
        or "the function detect is not deployed yet",
        "images waiting": waiting,
        "hours this month of runs that Labelwatch started": f"{state.seconds / 3600:.1f}"
        + (f" ({state.month})" if state.month else ""),
    }.items():
        table.add_row(name, str(value))
    return table


def start(model: StackModel, units: int, terminal: Terminal, wait: Callable[[], None]) -> None:
    """Starts the model, unless it runs, and waits until it does; raises UserError where it does not."""
    with user_error_on_fault(REFUSED):
        status = model.version.status()
        if status == RUNNING:
            terminal.print("The model runs already, on the inference units that it was started with.")
            return
        if status not in STARTABLE | {STARTING, "FAILED"}:
            raise UserError(f"the model is {status}; only one that is stopped can be started.")
        if status != STARTING:
            terminal.confirm(f"Start {model.version.name} with {counted(units, 'inference unit')}, at {COST}?")
            if not model.version.start(units):
                raise UserError("somebody else starts or stops the model at this moment; try again in some minutes.")
        end = _status_after(model.version, {STARTING}, terminal, wait)
    if end != RUNNING:
        raise UserError(f"the model is {end}; its page in the Rekognition console says why.")
    terminal.print("The model runs. Images that waited are analysed within minutes.")


def stop(model: StackModel, terminal: Terminal, wait: Callable[[], None]) -> None:
    """Stops the model, unless it is stopped, and waits until it is; raises UserError where it cannot be stopped."""
    with user_error_on_fault(REFUSED):
        status = model.version.status()
        if status in STARTABLE:
            _print_stopped("The model is stopped already.", model, terminal)
            return
        if status not in {RUNNING, STOPPING}:
            raise UserError(f"the model is {status}; only one that runs can be stopped.")
        if status == RUNNING:
            terminal.confirm(f"Stop {model.version.name}? Images wait in their queue, for 14 days at most.")
            if not model.version.stop():
                raise UserError("somebody else stops the model at this moment; labelwatch model status shows it.")
        end = _status_after(model.version, {RUNNING, STOPPING}, terminal, wait)
    _print_stopped(f"The model is {end}, and costs nothing.", model, terminal)


def _print_stopped(sentence: str, model: StackModel, terminal: Terminal) -> None:
    terminal.print(sentence)
    if model.auto_start:
        terminal.print("It is started again when images wait: ModelAutoStart is yes.")


def _polling(state: str) -> str:
    """Whether the queue is polled, with AWS's word for the state of its event source mapping."""
    polling = _POLLING.get(state)
    return f"{polling} ({state})" if polling else state


def _status_after(version: ModelVersion, states: set[str], terminal: Terminal, wait: Callable[[], None]) -> str:
    with terminal.progress() as bars:
        bar = bars.add_task("", total=None)
        wait()  # AWS may still give the status from before
        while (status := version.status()) in states:
            bars.update(bar, description=f"{status}; Ctrl-C stops the waiting only")
            wait()
    return status
