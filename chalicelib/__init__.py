"""What runs in Lambda; docs/decisions tells why it is as it is."""

import sys

# Before anything that an older Python cannot even read: Chalice deploys for the Python that it runs on.
if sys.version_info < (3, 12):  # noqa: UP036 - the older ones come here, and this is what they are told
    raise SystemExit(
        "labelwatch: Lambda takes no new functions of Python {}.{}, and Chalice deploys for the Python it runs on; "
        "`make setup` finds a Python of 3.12 to 3.14, and .venv/bin/chalice runs on it.".format(*sys.version_info)
    )

__version__ = "0.1.0"
