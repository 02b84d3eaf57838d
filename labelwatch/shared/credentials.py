"""Where credentials come from, for the messages of commands."""

import os
from urllib.parse import urlsplit


def uses_local_aws() -> bool:
    """Whether the commands of this shell use the local AWS of `labelwatch local up`."""
    return urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname == "127.0.0.1"


def sign_in() -> str:
    """How to get valid credentials, as a sentence."""
    if uses_local_aws():
        return "Each `make up` has new keys: paste its `export` line."
    return "Run `aws sso login`, or pass --profile."
