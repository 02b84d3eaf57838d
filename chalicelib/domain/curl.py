"""A line for a shell (sh, bash, zsh) that uploads a file by a presigned PUT.

The options: https://curl.se/docs/manpage.html
"""

import shlex

from chalicelib.domain.uploads import PresignedPut


def upload_line(put: PresignedPut, file: str) -> str:
    """The line for the file of this name, in whatever folder the shell is."""
    headers = [word for name, value in put.headers.items() for word in ("-H", f"{name}: {value}")]
    # Without globbing, which curl does in names of files too.
    return shlex.join(["curl", "-sS", "--fail-with-body", "--globoff", *headers, "-T", _path(file), put.url])


def _path(file: str) -> str:
    # Alone, "-" is standard input.
    return f"./{file}" if file.startswith("-") else file
