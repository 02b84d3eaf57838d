"""A proxy of the local AWS that refuses calls, and a second event source mapping as AWS does, which the emulator lacks.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from labelwatch.local.ministack import LocalAws
from tests.support.proxy import Forward, Request, Response, running_proxy

DENIED = Response(
    403,
    {"x-amzn-errortype": "AccessDeniedException"},
    b'{"__type": "AccessDeniedException"}',
)
# S3 sees the permission that Chalice has added milliseconds before only a moment later.
NOT_VALIDATED = Response(
    400,
    {"content-type": "application/xml"},
    b"<Error><Code>InvalidArgument</Code>"
    b"<Message>Unable to validate the following destination configurations</Message></Error>",
)


class Interruptions:
    """`endpoint` is the URL of the proxy. `refused` has a response for each call, by a part of its method and path.

    The call of a JSON protocol has its target in place of a path, such as `AWSEvents.PutRule`.
    """

    def __init__(self, local_aws: LocalAws) -> None:
        self.endpoint = ""
        self.refused: dict[str, Response] = {}
        self._lambda = local_aws.client("lambda")

    def intercept(self, request: Request, forward: Forward) -> Response:
        call = f"{request.method} {request.headers.get('x-amz-target', request.path)}"
        refusals = [response for part, response in self.refused.items() if part in call]
        if refusals:
            return refusals[0]
        if call.startswith("POST /2015-03-31/event-source-mappings"):
            return self._create_mapping(json.loads(request.body), forward)
        return forward()

    def _create_mapping(self, mapping: dict[str, str], forward: Forward) -> Response:
        found = self._lambda.list_event_source_mappings(EventSourceArn=mapping["EventSourceArn"])
        function = mapping["FunctionName"]
        existing = [item["UUID"] for item in found["EventSourceMappings"] if item["FunctionArn"] == function]
        if not existing:
            return forward()
        message = json.dumps({"Type": "User", "Message": f"mapping already exists: {existing[0]}"})
        return Response(409, {"x-amzn-errortype": "ResourceConflictException"}, message.encode())


@contextmanager
def interrupting(local_aws: LocalAws) -> Iterator[Interruptions]:
    """Serves on loopback until the block ends."""
    interruptions = Interruptions(local_aws)
    with running_proxy(local_aws.endpoint, interruptions.intercept) as interruptions.endpoint:
        yield interruptions
