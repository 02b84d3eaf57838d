"""A line for a shell (sh, bash, zsh) that uploads a file by a signed form.

The form's syntax: https://curl.se/docs/manpage.html#-F
"""

import re
import shlex

from chalicelib.domain.uploads import PresignedPost

# A name that curl needs no quotes for: the line then has no character that JSON escapes, and can be copied out of an
# answer by hand.
_PLAIN = re.compile(r"[\w./+()-]+( [\w./+()-]+)*")


def upload_line(post: PresignedPost, file: str) -> str:
    """The line for the file of this name, in whatever folder the shell is."""
    # form-string, not form: a value is never taken for a file's name.
    fields = [word for name, value in post.fields.items() for word in ("--form-string", f"{name}={value}")]
    return shlex.join(["curl", "-sS", "--fail-with-body", *fields, "--form", f"file=@{_filename(file)}", post.url])


def _filename(file: str) -> str:
    if file == "-":
        return "./-"  # alone it is standard input
    if _PLAIN.fullmatch(file):
        return file
    escaped = file.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
