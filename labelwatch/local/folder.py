"""A folder that only one run of a command uses at a time."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelwatch.shared.errors import UserError


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Empties the folder and locks it until the block ends.

    Raises UserError where another run has locked the folder, or where no earlier run has left its lock file beside
    the folder: then the files belong to somebody else.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = folder.with_suffix(".lock")
    if not file.exists() and folder.exists() and any(folder.iterdir()):
        raise UserError(
            f"{folder} has files of another program. Move the files, or set LABELWATCH_BUILD to another folder."
        )
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"Another run uses {folder}. Stop it with Ctrl-C, or set LABELWATCH_BUILD to another folder."
            ) from None
        shutil.rmtree(folder, ignore_errors=True)
        yield
