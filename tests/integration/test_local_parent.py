"""The local AWS ends with the process that started it, however that process ends."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

# Listens, and is busy when its parent ends.
FUNCTION = """
import socket, time
server = socket.create_server(("127.0.0.1", 0))
def run(event, _):
    time.sleep(event.get("seconds", 0))
    return server.getsockname()[1]
"""
# Starts the local AWS and the function, prints the ports on which they listen, and waits.
PARENT = """
import io, json, signal, sys, time, zipfile
from pathlib import Path
from labelwatch.local import ministack

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored where the tests run under nohup
code = io.BytesIO()
with zipfile.ZipFile(code, "w") as archive:
    archive.writestr("app.py", sys.argv[2])
with ministack.running(Path(sys.argv[1]), "http://127.0.0.1:9") as local_aws:
    role = local_aws.client("iam").create_role(RoleName="role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    functions = local_aws.client("lambda")
    functions.create_function(
        FunctionName="f", Role=role, Runtime="python3.12", Handler="app.run", Code={"ZipFile": code.getvalue()}
    )
    port = json.load(functions.invoke(FunctionName="f", Payload="{}")["Payload"])
    functions.invoke(FunctionName="f", Payload='{"seconds": 120}', InvocationType="Event")
    time.sleep(1)
    print(local_aws.endpoint.rpartition(":")[2], port, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_the_local_aws_and_its_functions_end_with_their_parent(tmp_path: Path, ending: signal.Signals) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path), FUNCTION]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        ports = [int(port) for port in parent.stdout.readline().split()]
        assert [listens(port) for port in ports] == [True, True]
        parent.send_signal(ending)
        try:
            parent.wait(60)
        finally:
            parent.kill()
    wait_until(lambda: [listens(port) for port in ports] == [False, False])


def listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.5)  # each look fills a place in the queue of a server that accepts nothing
