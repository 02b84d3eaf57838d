"""A folder that only one run of a command uses at a time."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelwatch.shared.errors import UserError


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Empties the folder and locks it until the block ends; raises UserError where another run has locked it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"Another run uses {folder}. Stop it with Ctrl-C, or set LABELWATCH_BUILD to another folder."
            ) from None
        shutil.rmtree(folder, ignore_errors=True)
        yield
