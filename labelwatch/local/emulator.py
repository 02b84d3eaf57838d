"""ministack, with what Labelwatch uses of AWS and ministack lacks: `python -m labelwatch.local.emulator`.

Each function changes one thing of the pinned ministack; docs/verified.md lists them.
The templates of CloudFormation and the calls of Chalice stay as AWS gets them.
"""

import json
import os
import signal
from threading import Thread
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.services import apigateway_v1, s3, sts
from ministack.services.cloudformation import changesets, handlers

from labelwatch.local.adaptation import adapt_to_local_aws
from labelwatch.local.guard import guarded

GATEWAY_RESPONSES = "x-amazon-apigateway-gateway-responses"


def count_loopback_as_tls() -> None:
    """Plain HTTP on loopback counts as TLS: the policies of buckets, queues and topics refuse anything else."""
    resolve = iam_evaluator._resolve_condition_key
    iam_evaluator._resolve_condition_key = lambda key, context: (
        "true" if key.lower() == "aws:securetransport" else resolve(key, context)
    )


def name_actions() -> None:
    """IAM checks the action that AWS documents for the batch calls of SQS, and for DeleteFunctionConcurrency."""
    action_of = iam_actions.extract_iam_action

    def naming(service: str, method: str, *request: Any) -> str | None:  # noqa: ANN401 - the parts of a request
        action: str | None = action_of(service, method, *request)
        if action == "lambda:PutFunctionConcurrency" and method == "DELETE":
            return "lambda:DeleteFunctionConcurrency"
        return action.removesuffix("Batch") if action and service == "sqs" else action

    iam_actions.extract_iam_action = naming


def name_resources() -> None:
    """IAM checks the ARN that AWS documents for a rule of the default bus, a Glue database, and a new function."""
    arn_of = iam_actions.extract_resource_arn

    def naming(service: str, method: str, path: str, headers: dict[str, str], body: bytes, *more: Any) -> str:  # noqa: ANN401
        arn: str = arn_of(service, method, path, headers, body, *more)
        _, region, account = more
        if service == "events":
            name = json.loads(body).get("Rule")
            return f"arn:aws:events:{region}:{account}:rule/{name}" if name else arn.replace("rule/default/", "rule/")
        if service == "lambda" and method == "POST" and path.endswith("/functions"):
            return f"arn:aws:lambda:{region}:{account}:function:{json.loads(body)['FunctionName']}"
        return arn.replace(":table/", ":database/") if service == "glue" else arn

    iam_actions.extract_resource_arn = naming


def adapt_templates(endpoint: str) -> None:
    """CloudFormation reads each template as `adapt_to_local_aws` returns it; GetTemplate returns the original."""
    for module in (changesets, handlers):
        transform = module._apply_transforms
        module._apply_transforms = lambda template, *given, transform=transform: transform(
            adapt_to_local_aws(template, endpoint), *given
        )


def import_gateway_responses() -> None:
    """The import of an API's definition reads its gateway responses too."""
    import_api = apigateway_v1._import_rest_api

    def importing(definition: dict[str, Any], base: dict[str, Any] | None = None) -> str:
        api: str = import_api(definition, base)
        for kind, response in definition.get(GATEWAY_RESPONSES, {}).items():
            apigateway_v1._put_gateway_response(api, kind, response)
        return api

    apigateway_v1._import_rest_api = importing


def import_apis() -> None:
    """ImportRestApi and PutRestApi, by which Chalice creates and updates its API, read the definition."""
    handle = apigateway_v1.handle_request

    async def handling(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:  # noqa: ANN401
        if "import" in query.get("mode", ()):
            return apigateway_v1._get_rest_api(apigateway_v1._import_rest_api(json.loads(body)))
        if "overwrite" in query.get("mode", ()):
            return _overwrite(path.rpartition("/")[2], json.loads(body))
        return await handle(method, path, headers, body, query)

    apigateway_v1.handle_request = handling


def _overwrite(api: str, definition: dict[str, Any]) -> Any:  # noqa: ANN401 - a response of ministack
    new = apigateway_v1._import_rest_api(definition)
    for parts in (apigateway_v1._resources, apigateway_v1._authorizers_v1, apigateway_v1._gateway_responses):
        parts[api] = parts[new]
    apigateway_v1._delete_rest_api(new)
    return apigateway_v1._get_rest_api(api)


def read_empty_compression_sizes() -> None:
    """Chalice sends an empty minimum compression size for none, which no client can read as a number."""
    patch = apigateway_v1._apply_patch

    def patching(target: dict[str, Any], operations: list[dict[str, Any]]) -> Any:  # noqa: ANN401
        patched = patch(target, operations)
        if patched.get("minimumCompressionSize") == "":
            patched["minimumCompressionSize"] = None
        return patched

    apigateway_v1._apply_patch = patching


def check_root_key(key: str, secret: str) -> None:
    """Root has this key alone, and its signature is checked like any other.

    ministack checks no signature of root, and takes `test` and each number of twelve digits for a key of root.
    """
    iam_evaluator.is_root_access_key = sts.is_root_access_key = lambda key: not key  # of an anonymous request
    root = "arn:aws:iam::000000000000:root"
    sts.register_session(key, {"Arn": root, "PrincipalType": "Root", "SecretAccessKey": secret})


def end_with_parent() -> None:
    """Ends this process and the functions when the parent ends, however it ends: standard input is a pipe from it."""

    def wait() -> None:
        os.read(0, 1)  # not sys.stdin, whose lock would stop the interpreter from ending
        os.killpg(os.getpgrp(), signal.SIGKILL)

    Thread(target=wait, daemon=True).start()


def refuse_unsigned_headers() -> None:
    """S3 refuses a presigned request with an x-amz header that its signature does not cover, as AWS documents."""
    verify = s3._verify_presigned_sigv4

    def verifying(method: str, path: str, headers: dict[str, str], query: dict[str, Any]) -> Any:  # noqa: ANN401
        signed = s3._qp(query, "X-Amz-SignedHeaders", "").split(";")
        if signed != [""] and any(name.startswith("x-amz-") and name not in signed for name in headers):
            return s3._error("AccessDenied", "There were headers present in the request which were not signed", 403)
        return verify(method, path, headers, query)

    s3._verify_presigned_sigv4 = verifying


if __name__ == "__main__":
    end_with_parent()
    count_loopback_as_tls()
    name_actions()
    name_resources()
    adapt_templates(f"http://{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}")
    import_gateway_responses()
    import_apis()
    read_empty_compression_sizes()
    # The functions inherit this environment, and must not get the keys of root.
    check_root_key(os.environ.pop("AWS_ACCESS_KEY_ID"), os.environ.pop("AWS_SECRET_ACCESS_KEY"))
    app.app = guarded(app.app, os.environ.pop("UPLOAD_ORIGIN"))
    refuse_unsigned_headers()
    app.main()
