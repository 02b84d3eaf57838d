"""The commands on the local AWS."""

from pathlib import Path
from typing import Annotated

import typer

from labelwatch.commands.options import BUILD, CACHE, Images, console

app = typer.Typer(help="The local AWS: everything on this machine, nothing on AWS.", no_args_is_help=True)


@app.command()
def up(
    images: Images = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The endpoint's port; without it, a free one.")
    ] = None,
    origin: Annotated[
        str, typer.Option(help="The origin of a web page that may upload, such as http://localhost:3000.")
    ] = "",
) -> None:
    """Start the local AWS, deploy into it, and follow the pipeline until Ctrl-C."""
    from labelwatch.local import follow

    follow.run(images, BUILD / "up", CACHE, port, origin, console())


@app.command()
def evaluate(
    images: Annotated[Path, typer.Argument(help="A folder with a sub-folder of images for each label.")],
    splits: Annotated[int, typer.Option(min=1, help="How many random splits to try.")] = 5,
    each: Annotated[int, typer.Option(min=2, help="How many images of each label to train on.")] = 30,
) -> None:
    """Say how often the local model is right on images of this folder that it was not trained on."""
    from labelwatch.local import judging

    judging.run(images, splits, each, console())


def demo(images: Images = None) -> None:
    """Show the main job: train a local model of the model, deploy, upload images, and see what becomes of each.

    Ends with alerts as .eml files and a report for any browser, in build/demo, and fails unless every image is
    accounted for.
    """
    from labelwatch.local import demo as showing

    showing.run(images, BUILD / "demo", CACHE, console())
