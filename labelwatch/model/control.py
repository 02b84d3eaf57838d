"""Status, start and stop of the model of a stack, for a person at a terminal."""

from collections.abc import Callable
from typing import NamedTuple

from chalicelib.adapters.aws_lambda import EventSourceMapping
from chalicelib.adapters.dynamodb import ModelStateTable
from chalicelib.adapters.rekognition import ModelVersion, version_name
from chalicelib.adapters.sqs import Queue
from chalicelib.domain.model import RUNNING, STARTABLE, STARTING, STOPPING
from chalicelib.settings import GENERAL_MODEL
from labelwatch.shared import image_limit, stacks
from labelwatch.shared.account import Account
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError
from labelwatch.shared.image_limit import ImagesToday
from labelwatch.shared.text import counted

OUTPUTS = ("CustomModelARN", "ImagesQueueArn", "ImagesQueueUrl", "TableName", "ModelAutoStart", image_limit.PARAMETER)
COST = "about 4 USD per hour and inference unit, until you stop it"

# https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html
_POLLING = {"Enabled": "on", "Enabling": "resuming", "Disabling": "paused", "Disabled": "paused"}


class StackModel(NamedTuple):
    """The model of a stack, with its queue, event source mapping and state."""

    version: ModelVersion
    mapping: EventSourceMapping
    queue: Queue
    model_states: ModelStateTable
    auto_start: bool
    images_today: Callable[[], ImagesToday]


def from_stack(account: Account, name: str) -> StackModel:
    """The model of the stack; raises UserError where the stack uses general labels."""
    outputs = stacks.outputs(account.client("cloudformation"), name, *OUTPUTS)
    if outputs["CustomModelARN"] == GENERAL_MODEL:
        raise UserError(
            f"Stack {name} uses Rekognition's general labels, which need no model. Pass --stack to name another stack."
        )
    dynamodb = account.client("dynamodb")
    return StackModel(
        ModelVersion(account.client("rekognition"), outputs["CustomModelARN"]),
        EventSourceMapping(account.client("lambda"), outputs["ImagesQueueArn"], f"{name}-detect"),
        Queue(account.client("sqs"), outputs["ImagesQueueUrl"]),
        ModelStateTable(dynamodb, outputs["TableName"]),
        outputs["ModelAutoStart"] == "yes",
        lambda: image_limit.images_today(dynamodb, outputs),
    )


def status_text(model: StackModel) -> str:
    """The status of the model for the terminal, a line for each value; lines are never folded."""
    status, mappings, state = model.version.status(), model.mapping.states(), model.model_states.load()
    today = model.images_today()
    started_at = state.started_at if state.model == model.version.name else None
    started_by = f"Labelwatch, {started_at:%Y-%m-%d %H:%M} (UTC)" if started_at else "a person or another tool"
    values = {
        "Model": status,
        "ARN": model.version.name,
        "Started by": started_by if status in {RUNNING, STARTING, STOPPING} else "not running",
        "Polling": ", ".join(_polling(mapping, status, today) for mapping in mappings.values())
        or "off. The function detect is not deployed.",
        "Images waiting": f"{model.queue.waiting():,}",
        f"Hours in {state.month}" if state.month else "Hours": f"{state.seconds / 3600:.1f} of runs by ModelAutoStart",
    }
    return "\n".join(f"{name}: {value}" for name, value in values.items())


def start(model: StackModel, units: int, terminal: Terminal, wait: Callable[[], None]) -> None:
    """Starts the model unless it runs, and waits until it runs; raises UserError where it does not start."""
    status = model.version.status()
    if status == RUNNING:
        terminal.print(
            "Model: RUNNING, unchanged. To change the inference units, stop the model, then start it with --units."
        )
        return
    if status not in STARTABLE | {STARTING, "FAILED"}:
        raise UserError(
            f"Model: {status}. Only a stopped model can be started. Run `labelwatch model status` to check the model."
        )
    if status != STARTING:
        terminal.confirm(f"The model costs {COST}.\nStart {_name(model)} with {counted(units, 'inference unit')}?")
        if not model.version.start(units):
            raise UserError(
                "The model is being started or stopped by another person or tool. Run the command again in a few "
                "minutes."
            )
    end = _status_after({STARTING}, "Starting the model (10 to 20 minutes on AWS)…", model, terminal, wait)
    if end != RUNNING:
        raise UserError(
            f"Model: {end}. The model did not start. The model's page in the Rekognition console shows the reason."
        )
    terminal.print(f"Model: RUNNING. Waiting images are analysed within minutes. The model costs {COST}.")


def stop(model: StackModel, terminal: Terminal, wait: Callable[[], None]) -> None:
    """Stops the model unless it is stopped, and waits until it is stopped; raises UserError where it cannot be."""
    status = model.version.status()
    if status in STARTABLE:
        _print_stopped(f"Model: {status}, unchanged.", model, terminal)
        return
    if status not in {RUNNING, STOPPING}:
        raise UserError(
            f"Model: {status}. Only a running model can be stopped. Run `labelwatch model status` to check the model."
        )
    if status == RUNNING:
        terminal.confirm(f"New images wait in the queue for up to 14 days.\nStop {_name(model)}?")
        if not model.version.stop():
            raise UserError(
                "The model is being stopped by another person or tool. Run `labelwatch model status` to check the "
                "model."
            )
    end = _status_after({RUNNING, STOPPING}, "Stopping the model…", model, terminal, wait)
    _print_stopped(f"Model: {end}. The model costs nothing now.", model, terminal)


def _polling(mapping: str, status: str, today: ImagesToday) -> str:
    """Whether the images queue is polled, and when a pause ends."""
    polling = _POLLING.get(mapping, mapping)
    if polling != "paused":
        return polling
    if today.limit_reached:
        return f"paused. {image_limit.PARAMETER}: {today}"
    return f"paused. It resumes within a minute{'' if status == RUNNING else ' after the model starts'}."


def _name(model: StackModel) -> str:
    return version_name(model.version.name)


def _print_stopped(sentence: str, model: StackModel, terminal: Terminal) -> None:
    terminal.print(sentence)
    if model.auto_start:
        terminal.print("ModelAutoStart is yes: Labelwatch starts the model again when images wait.")


def _status_after(
    states: set[str], progress: str, model: StackModel, terminal: Terminal, wait: Callable[[], None]
) -> str:
    """The first status that is none of these. Prints the progress once, for a terminal without a spinner too."""
    terminal.print(f"{progress} Ctrl-C stops waiting, not the model's change.")
    with terminal.progress() as bars:
        bar = bars.add_task("", total=None)
        wait()  # AWS may still give the status from before
        while (status := model.version.status()) in states:
            bars.update(bar, description=status)
            wait()
    return status
