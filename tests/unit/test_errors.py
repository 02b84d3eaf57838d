import pytest

from chalicelib.domain.errors import Retryable
from labelwatch.shared.errors import UserError, user_error_on_fault


def test_a_fault_becomes_a_sentence_with_its_reason() -> None:
    with pytest.raises(UserError) as refusal, user_error_on_fault("the table does not answer"):
        raise Retryable("AccessDenied", "no right to Scan")
    assert str(refusal.value) == "the table does not answer: AccessDenied: no right to Scan."


def test_a_user_error_inside_stays_as_it_is() -> None:
    with pytest.raises(UserError, match=r"^the model is FAILED$"), user_error_on_fault("AWS does not do it"):
        raise UserError("the model is FAILED")
