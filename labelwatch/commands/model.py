"""The commands on the model."""

import time
from functools import partial
from typing import Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, Yes, console, open_terminal

app = typer.Typer(help="Manage the model of a stack.", no_args_is_help=True)
# A model takes 10 to 20 minutes to start.
SECONDS_BETWEEN_CHECKS = 5


@app.command()
def status(stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """Show the state of the model, the polling and the waiting images."""
    from labelwatch.model import control
    from labelwatch.shared.account import Account

    console().print(control.status_text(control.from_stack(Account(profile, region), stack)), soft_wrap=True)


@app.command()
def start(
    *,
    units: Annotated[
        int, typer.Option(min=1, max=5, help="Number of inference units. Each unit costs about 4 USD per hour.")
    ] = 1,
    yes: Yes = False,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Start the model and wait until it runs, 10 to 20 minutes.

    The model costs about 4 USD per hour and inference unit, until you stop it.
    """
    from labelwatch.model import control
    from labelwatch.shared.account import Account

    terminal = open_terminal(yes=yes, default=False)
    control.start(control.from_stack(Account(profile, region), stack), units, terminal, _wait)


@app.command()
def stop(*, yes: Yes = False, stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """Stop the model and wait until it is stopped.

    New images wait in the queue for up to 14 days.
    """
    from labelwatch.model import control
    from labelwatch.shared.account import Account

    terminal = open_terminal(yes=yes, default=True)
    control.stop(control.from_stack(Account(profile, region), stack), terminal, _wait)


_wait = partial(time.sleep, SECONDS_BETWEEN_CHECKS)
