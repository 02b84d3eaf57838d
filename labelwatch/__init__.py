"""The operator's command; it is never deployed."""

import chalicelib  # noqa: F401 - it refuses a Python that is too old
