"""The curl line, run by a real shell and a real curl against a server that reads the request."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.domain.curl import upload_line
from chalicelib.domain.uploads import PresignedPut

PATH = "/uploads/a/2026-11-27/x-%E7%A8%B2.jpg?X-Amz-Expires=900&X-Amz-Signature=0af"
CONTENT = b"\xff\xd8 what the file holds \r\n--"
# What a value must survive, too: nothing in it may be taken for a file or a command.
HEADERS = {"Content-Type": "image/jpeg", "If-None-Match": "*", "Odd": "@/etc/passwd;type=a\"'$(id)"}


class Server(ThreadingHTTPServer):
    """Keeps the path, the headers of HEADERS and the body of the last request."""

    received: tuple[str, dict[str, str | None], bytes] | None


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received = (self.path, {name: self.headers[name] for name in HEADERS}, body)
        self.send_response(412 if self.path.startswith("/refused") else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(
    server: Server, name: str, folder: Path, path: str = PATH, shell: str = "sh"
) -> subprocess.CompletedProcess[bytes]:
    put = PresignedPut(f"http://127.0.0.1:{server.server_address[1]}{path}", HEADERS)
    server.received = None
    return subprocess.run(
        [shell, "-c", upload_line(put, name)],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "no_proxy": "127.0.0.1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    "name",
    [
        "leaf 1.jpg", "it's.jpg", 'say "a".jpg', "$HOME.jpg", "`id`.jpg", "$(id).jpg", "two\nlines.jpg", "a;type=b.jpg",
        "a,b.jpg", "back\\slash.jpg", "-", "-o.jpg", "@a.jpg", "<a.jpg", " blank first.jpg", "blank last ", "稲 葉.jpg",
        "a&b|c.jpg", "#.jpg", "~.jpg", "*.jpg", "!.jpg", "tab\t.jpg", "\x7f\x01.jpg", "a\\", '"', "'", "%41.jpg",
        "{a,b}.jpg", "[1-3].jpg",
    ],
)  # fmt: skip
def test_the_line_uploads_a_file_of_any_name(server: Server, tmp_path: Path, name: str, shell: str) -> None:
    (tmp_path / name).write_bytes(CONTENT)
    done = run(server, name, tmp_path, shell=shell)
    assert done.returncode == 0, done.stderr
    assert server.received == (PATH, HEADERS, CONTENT)


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=60).filter(
        lambda name: name not in {".", ".."}
    )
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_the_name_is_the_file_arrives(server: Server, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(CONTENT)
    done = run(server, name, tmp_path)
    (tmp_path / name).unlink()
    assert (done.returncode, server.received) == (0, (PATH, HEADERS, CONTENT))


def test_a_refused_upload_ends_with_a_failure(server: Server, tmp_path: Path) -> None:
    (tmp_path / "leaf.jpg").write_bytes(CONTENT)
    assert run(server, "leaf.jpg", tmp_path, "/refused/key").returncode != 0


@given(st.from_regex(r"[A-Za-z0-9_./()+-]{1,20}( [A-Za-z0-9_./()+-]{1,20}){0,3}", fullmatch=True))
def test_the_line_of_a_plain_name_has_nothing_that_json_would_escape(name: str) -> None:
    url = "https://leaves-in.s3.eu-west-1.amazonaws.com/uploads/a/x-leaf.jpg?X-Amz-Expires=900&X-Amz-Date=1"
    line = upload_line(PresignedPut(url, {"If-None-Match": "*"}), name)
    assert json.dumps(line) == f'"{line}"'
