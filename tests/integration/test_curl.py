"""The curl line, run by a real shell and a real curl against a server that reads the form."""

from __future__ import annotations

import email.parser
import email.policy
import json
import subprocess
from collections.abc import Iterator
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.domain.curl import upload_line
from chalicelib.domain.uploads import PresignedPost

CONTENT = b"\xff\xd8 what the file holds \r\n--"
# What a value must survive, too: nothing in it may be taken for a file, a type or a command.
FIELDS = {"key": "uploads/a/2026-11-27/x-leaf.jpg", "Content-Type": "image/jpeg", "odd": "@/etc/passwd;type=a\"'$(id)"}


class Server(ThreadingHTTPServer):
    """Keeps the parts of the last form."""

    parts: list[tuple[object, object]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        form = email.parser.BytesParser(EmailMessage, policy=email.policy.HTTP).parsebytes(head + body)
        self.server.parts = [
            (part.get_param("name", header="content-disposition"), part.get_payload(decode=True))
            for part in form.iter_parts()
        ]
        self.send_response(403 if self.path == "/refused" else 204)
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
    server: Server, name: str, folder: Path, path: str = "/", shell: str = "sh"
) -> subprocess.CompletedProcess[bytes]:
    post = PresignedPost(f"http://127.0.0.1:{server.server_address[1]}{path}", FIELDS)
    server.parts = []
    return subprocess.run(
        [shell, "-c", upload_line(post, name)],
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
        "{a,b}.jpg",
    ],
)  # fmt: skip
def test_the_line_uploads_a_file_of_any_name(server: Server, tmp_path: Path, name: str, shell: str) -> None:
    (tmp_path / name).write_bytes(CONTENT)
    done = run(server, name, tmp_path, shell=shell)
    assert done.returncode == 0, done.stderr
    assert server.parts == [*((key, value.encode()) for key, value in FIELDS.items()), ("file", CONTENT)]


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
    assert (done.returncode, server.parts[-1:]) == (0, [("file", CONTENT)])


def test_a_refused_upload_ends_with_a_failure(server: Server, tmp_path: Path) -> None:
    (tmp_path / "leaf.jpg").write_bytes(CONTENT)
    assert run(server, "leaf.jpg", tmp_path, "/refused").returncode != 0


@given(st.from_regex(r"[A-Za-z0-9_./()+-]{1,20}( [A-Za-z0-9_./()+-]{1,20}){0,3}", fullmatch=True))
def test_the_line_of_a_plain_name_has_nothing_that_json_would_escape(name: str) -> None:
    line = upload_line(
        PresignedPost("https://leaves-in.s3.eu-west-1.amazonaws.com/", {"key": "uploads/a/x-leaf.jpg"}), name
    )
    assert json.dumps(line) == f'"{line}"'
