"""The commands on the local AWS."""

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
    """Start the local AWS, deploy into it, and print the outcome of each upload until Ctrl-C."""
    from labelwatch.local import up as local_up

    local_up.run(images, BUILD / "up", CACHE, port, origin, console())


def demo(images: Images = None) -> None:
    """Show the main job: train a local model, deploy, upload images, and show the outcome of each.

    Ends with alerts as .eml files and a report for any browser, in build/demo, and fails unless every image is
    accounted for.
    """
    from labelwatch.local import demo as local_demo

    local_demo.run(images, BUILD / "demo", CACHE, console())
