"""The commands on the model."""

import time
from functools import partial
from typing import Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, Yes, console, open_terminal

app = typer.Typer(
    help="The model of a stack: its state, start and stop. Region and credentials as the AWS tools take them.",
    no_args_is_help=True,
)
# A model takes 10 to 20 minutes to start.
SECONDS_BETWEEN_CHECKS = 5


@app.command()
def status(stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """Show whether the model runs and who started it, whether the images queue is polled, and how many images wait."""
    from labelwatch.model import control
    from labelwatch.shared.account import Account

    console().print(control.status_table(control.from_stack(Account(profile, region), stack)))


@app.command()
def start(
    *,
    units: Annotated[int, typer.Option(min=1, max=5, help="Inference units; each is paid.")] = 1,
    yes: Yes = False,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Start the model, and wait until it runs: 10 to 20 minutes. It is paid by the hour until it is stopped."""
    from labelwatch.model import control
    from labelwatch.shared.account import Account

    terminal = open_terminal(yes=yes, default=True)
    control.start(control.from_stack(Account(profile, region), stack), units, terminal, _wait)


@app.command()
def stop(*, yes: Yes = False, stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """Stop the model, and wait until it is. Images wait in their queue."""
    from labelwatch.model import control
    from labelwatch.shared.account import Account

    terminal = open_terminal(yes=yes, default=True)
    control.stop(control.from_stack(Account(profile, region), stack), terminal, _wait)


_wait = partial(time.sleep, SECONDS_BETWEEN_CHECKS)
