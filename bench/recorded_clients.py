"""Runs Lambda's runtime client and prints a line to stderr for each client that boto3 creates.

bench.cold_start starts it in place of the runtime client, with the packages of Lambda alone.
"""

import os
import runpy
from typing import Any

from botocore.session import Session

LINE = "client created: "


class RecordedSession(Session):
    """Prints the service of each client."""

    def create_client(self, service_name: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - botocore's own
        """Creates the client as botocore does."""
        os.write(2, f"{LINE}{service_name}\n".encode())
        return super().create_client(service_name, *args, **options)


if __name__ == "__main__":
    import boto3

    boto3.setup_default_session(botocore_session=RecordedSession())
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
