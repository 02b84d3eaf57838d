"""The model of a stack by hand: how it stands, and its start and stop."""

from collections.abc import Callable
from typing import NamedTuple

from rich.table import Table

from chalicelib.adapters.aws_lambda import EventSourceMapping
from chalicelib.adapters.dynamodb import ModelStateTable
from chalicelib.adapters.rekognition import ModelVersion
from chalicelib.adapters.sqs import Queue
from chalicelib.settings import GENERAL_MODEL
from chalicelib.steps.manage_model import RUNNING, STARTABLE, STARTING, STOPPING
from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError, user_error_on_fault
from labelwatch.shared.text import counted

REFUSED = "AWS does not do it"
NEEDED = ("CustomModelARN", "ImagesQueueArn", "ImagesQueueUrl", "TableName", "ModelAutoStart")
COST = "about 4 USD an hour for each inference unit until it is stopped, used or not"

_NOT_TAKEN = "no; manage_model has them taken within a minute of the model's running"
# https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html
_TAKEN = {"Enabled": "yes", "Enabling": "in a moment", "Disabling": _NOT_TAKEN, "Disabled": _NOT_TAKEN}


class StackModel(NamedTuple):
    """The model of a stack, with what keeps it."""

    version: ModelVersion
    mapping: EventSourceMapping
    queue: Queue
    model_states: ModelStateTable
    auto_start: bool


def from_stack(account: Account, name: str) -> StackModel:
    """The model of the stack; raises UserError where it has none of its own."""
    outputs = stacks.outputs(account.client("cloudformation"), name, *NEEDED)
    if outputs["CustomModelARN"] == GENERAL_MODEL:
        raise UserError(f"{name} asks Rekognition's general labels, which are always there: nothing starts or stops.")
    return StackModel(
        ModelVersion(account.client("rekognition"), outputs["CustomModelARN"]),
        EventSourceMapping(account.client("lambda"), outputs["ImagesQueueArn"], f"{name}-detect"),
        Queue(account.client("sqs"), outputs["ImagesQueueUrl"]),
        ModelStateTable(account.client("dynamodb"), outputs["TableName"]),
        outputs["ModelAutoStart"] == "yes",
    )


def shown(model: StackModel) -> Table:
    """How it stands, for the terminal; times in UTC."""
    with user_error_on_fault(REFUSED):
        status, states, memory = model.version.status(), model.mapping.states(), model.model_states.load()
        waiting = model.queue.waiting()
    up = status in {RUNNING, STARTING, STOPPING}
    ours = memory.started_at if memory.model == model.version.name else None
    by = f"Labelwatch, {ours:%Y-%m-%d %H:%M}" if ours else "a person or another tool"
    table = Table(show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in {
        "model": model.version.name,
        "status": status,
        "started by": by if up else "-",
        "images are taken": ", ".join(map(_in_words, states.values())) or "the function detect is not deployed yet",
        "images waiting": waiting,
        "hours this month of runs that Labelwatch started": f"{memory.seconds / 3600:.1f}"
        + (f" ({memory.month})" if memory.month else ""),
    }.items():
        table.add_row(name, str(value))
    return table


def start(model: StackModel, units: int, terminal: Terminal, wait: Callable[[], None]) -> None:
    """Has it started, unless it runs, and waits until it does; raises UserError where it cannot or does not come up."""
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
        end = _when_no_longer(model.version, {STARTING}, terminal, wait)
    if end != RUNNING:
        raise UserError(f"the model is {end}; its page in the Rekognition console says why.")
    terminal.print("The model runs. Images that waited are looked at within minutes.")


def stop(model: StackModel, terminal: Terminal, wait: Callable[[], None]) -> None:
    """Has it stopped, unless it is, and waits until it is; raises UserError where it cannot be."""
    with user_error_on_fault(REFUSED):
        status = model.version.status()
        if status in STARTABLE:
            _tell_stopped("The model is stopped already.", model, terminal)
            return
        if status not in {RUNNING, STOPPING}:
            raise UserError(f"the model is {status}; only one that runs can be stopped.")
        if status == RUNNING:
            terminal.confirm(f"Stop {model.version.name}? Images wait in their queue, for 14 days at most.")
            if not model.version.stop():
                raise UserError("somebody else stops the model at this moment; labelwatch model status shows it.")
        end = _when_no_longer(model.version, {RUNNING, STOPPING}, terminal, wait)
    _tell_stopped(f"The model is {end}, and costs nothing.", model, terminal)


def _tell_stopped(sentence: str, model: StackModel, terminal: Terminal) -> None:
    terminal.print(sentence)
    if model.auto_start:
        terminal.print("It is started again when images wait: ModelAutoStart is yes.")


def _in_words(state: str) -> str:
    """Whether images are taken, from AWS's word for the mapping's state, which is told too."""
    words = _TAKEN.get(state)
    return f"{words} ({state})" if words else state


def _when_no_longer(version: ModelVersion, states: set[str], terminal: Terminal, wait: Callable[[], None]) -> str:
    with terminal.progress() as bars:
        bar = bars.add_task("", total=None)
        wait()  # it may still be told as it was
        while (status := version.status()) in states:
            bars.update(bar, description=f"{status}; Ctrl-C stops the waiting only")
            wait()
    return status
