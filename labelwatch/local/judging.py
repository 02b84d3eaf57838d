"""How good the local model is, in figures."""

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from labelwatch.local import classifier


def run(folder: Path, splits: int, each: int, console: Console) -> None:
    """Prints the mean accuracy over random splits and its spread; raises UserError where the folder is unfit."""
    images = classifier.read_folder(folder)
    with Progress(console=console, transient=True) as progress:
        reading = progress.add_task("reading images", total=sum(map(len, images.values())))
        trying = progress.add_task("training and trying", total=splits)
        result = classifier.evaluate(
            images, splits, each, lambda: progress.advance(trying), lambda: progress.advance(reading)
        )
    console.print(
        f"Right on {result.mean:.1%} of {result.tried} images after training on {result.trained} "
        f"(mean of {splits} random splits, standard deviation {result.spread:.1%}); "
        f"{result.turned_away:.1%} were wrongly given no label."
    )
