"""The commands on the local AWS."""

from typing import Annotated

import typer

from labelwatch.commands.options import BUILD, CACHE, Images, console

app = typer.Typer(help="Run everything on this machine, without an AWS account.", no_args_is_help=True)


@app.command()
def up(
    images: Images = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port of the endpoint. Default: a free port.")
    ] = None,
    origin: Annotated[
        str, typer.Option(help="The origin of a web page that may upload (example: http://localhost:3000).")
    ] = "",
) -> None:
    """Start a local AWS and print the outcome of each upload until Ctrl-C.

    Prints commands that upload images and show the results. They work in any other terminal.
    """
    from labelwatch.local import up as local_up

    local_up.run(images, BUILD / "up", CACHE, port, origin, console())


def demo(images: Images = None) -> None:
    """Upload images to a local AWS, and show labels, alerts and a report.

    Trains a local model, deploys the package that AWS would get, and writes alerts (.eml) and a report (.html) into
    build/demo. Needs no AWS account. Exit code 1 unless every upload is accounted for.
    """
    from labelwatch.local import demo as local_demo

    local_demo.run(images, BUILD / "demo", CACHE, console())
