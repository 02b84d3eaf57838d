"""What runs in Lambda; docs/decisions tells why it is as it is."""

import sys

# Before anything that an older Python cannot even read: Chalice deploys for the Python that it runs on.
if sys.version_info < (3, 12):  # noqa: UP036 - the older ones come here, and this is what they are told
    raise SystemExit(
        "labelwatch: Python {}.{} is not supported: Lambda functions need Python 3.12 to 3.14. Run `make setup`, then "
        "use the commands in .venv/bin.".format(*sys.version_info)
    )

__version__ = "0.1.0"
