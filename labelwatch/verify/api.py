"""Checks of the REST API: who gets a presigned upload, and what answers give away."""

import secrets
from datetime import UTC, datetime

from requests import Response

from chalicelib.domain.links import new_link
from chalicelib.domain.tokens import new_token
from labelwatch.verify.deployment import CLIENT
from labelwatch.verify.outcome import FailedError, WarningError
from labelwatch.verify.state import Run

# The authorizer's answers are cached for 30 s.
SECONDS_TO_REVOKE = 60
HTTP_SECONDS = 60


def no_token(run: Run) -> str:
    """401 without an Authorization header."""
    return _expect(_request_upload(run, None), 401)


def malformed_token(run: Run) -> str:
    """Refused: by API Gateway itself with the template, by the authorizer with Chalice."""
    return _expect(_request_upload(run, "x"), 403 if run.deployment.is_chalice else 401)


def wrong_token(run: Run) -> str:
    """403 for a token of the right form, which nobody has."""
    return _expect(_request_upload(run, new_token(CLIENT)[0]), 403)


def unknown_path(run: Run) -> str:
    """No answer repeats the Authorization header, which would bring tokens into logs."""
    secret = secrets.token_hex(16)
    answer = run.deployment.http.get(
        f"{run.deployment.api}/{CLIENT}", headers={"Authorization": f"Bearer {secret}"}, timeout=HTTP_SECONDS
    )
    if secret in answer.text or secret in str(answer.headers):
        found = f"{answer.status_code}, and the answer repeats the Authorization header."
        if run.deployment.is_chalice:  # which cannot change API Gateway's own answers
            raise WarningError(found, "Send tokens to POST /uploads only. The CloudFormation deployment hides them.")
        raise FailedError(found, "Deploy the template again: its gateway responses do not repeat the header.")
    if not 400 <= answer.status_code < 500:
        raise FailedError(f"{answer.status_code} instead of an error.", _REDEPLOY)
    return f"{answer.status_code}, without the Authorization header."


def unknown_link(run: Run) -> str:
    """404 for a link that does not exist."""
    link_id, _ = new_link("", CLIENT, datetime.now(UTC))
    return _expect(run.deployment.http.get(f"{run.deployment.api}/p/{link_id}", timeout=HTTP_SECONDS), 404)


def valid_token(run: Run) -> str:
    """201 with a presigned upload, for the token of this run."""
    answer = _request_upload(run, run.token)
    found = _expect(answer, 201)
    run.presigned = answer.json()
    return found


def revoked_token(run: Run) -> str:
    """403 once the token is revoked and the cached answer has expired."""
    if not run.presigned:
        raise WarningError("Not verified: the token was not valid before either.")
    run.deployment.revoke_token()
    answers: list[int] = []
    for _ in range(SECONDS_TO_REVOKE // 2 + 1):
        answers.append(_request_upload(run, run.token).status_code)
        if answers[-1] == 403:
            return "403, as expected."
        run.pause(2)
    raise FailedError(f"{answers[-1]} instead of 403 after {SECONDS_TO_REVOKE} s.", _REDEPLOY)


_REDEPLOY = "Deploy this version again. If the answer stays, read the logs of the functions authorize and api_handler."


def _request_upload(run: Run, token: str | None) -> Response:
    return run.deployment.http.post(
        f"{run.deployment.api}/uploads",
        headers={"Authorization": f"Bearer {token}"} if token else {},
        json={"filename": run.picture.name, "size": len(run.picture.content)},
        timeout=HTTP_SECONDS,
    )


def _expect(answer: Response, status: int) -> str:
    if answer.status_code != status:
        raise FailedError(f"{answer.status_code} instead of {status}.", _REDEPLOY)
    return f"{status}, as expected."
