"""A proxy of the local AWS's API Gateway, with the two operations that chalice needs and the emulator lacks.

ImportRestApi, by which chalice creates an API: the emulator ignores the definition, so the proxy adds its title and
authorizers. PutRestApi, by which chalice changes an API: the proxy only stores the definition, for tests to compare.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from tests.support.proxy import Forward, Request, Response, running_proxy

IMPORT_REST_API = re.compile(r"POST /restapis\?.*mode=import.*")
PUT_REST_API = re.compile(r"PUT /restapis/(\w+)\?mode=overwrite.*")


class Gateway:
    """The URL of the proxy, and the definitions of PutRestApi so far, each with the id of its API."""

    def __init__(self, upstream: str) -> None:
        self.endpoint = ""
        self.put: list[tuple[str, dict[str, Any]]] = []
        self._upstream = upstream

    def intercept(self, request: Request, forward: Forward) -> Response:
        call = f"{request.method} {request.path}"
        if api := PUT_REST_API.fullmatch(call):
            self.put.append((api[1], json.loads(request.body)))
            return Response(200, {"content-type": "application/json"}, json.dumps({"id": api[1]}).encode())
        response = forward()
        if IMPORT_REST_API.fullmatch(call) and response.status == requests.codes.created:
            self._define(json.loads(response.content)["id"], request)
        return response

    def _define(self, api: str, request: Request) -> None:
        definition = json.loads(request.body)
        url = f"{self._upstream}/restapis/{api}"
        signed = {name: request.headers[name] for name in ("authorization", "x-amz-date")}
        title = {"op": "replace", "path": "/name", "value": definition["info"]["title"]}
        requests.patch(url, json={"patchOperations": [title]}, headers=signed, timeout=60).raise_for_status()
        for name, scheme in definition["securityDefinitions"].items():
            authorizer = scheme["x-amazon-apigateway-authorizer"] | {"name": name}
            requests.post(f"{url}/authorizers", json=authorizer, headers=signed, timeout=60).raise_for_status()


@contextmanager
def proxy(endpoint: str) -> Iterator[Gateway]:
    """Answers on loopback until the block ends."""
    gateway = Gateway(endpoint)
    with running_proxy(endpoint, gateway.intercept) as gateway.endpoint:
        yield gateway
