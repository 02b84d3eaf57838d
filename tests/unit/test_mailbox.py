import email
import email.message
import email.policy

from hypothesis import given
from hypothesis import strategies as st

from labelwatch.local.mailbox import as_eml, predictions_of

printable_ascii = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


def envelope(subject: str = "Labelwatch: rust", text: str = "rust\n") -> dict[str, str]:
    return {"Subject": subject, "Message": text, "Timestamp": "2026-11-22T10:00:00.123Z", "MessageId": "m-1"}


@given(st.lists(printable_ascii, min_size=1, max_size=2))
def test_a_subject_is_read_as_it_was_sent(words: list[str]) -> None:
    subject = f"Labelwatch: {' '.join(words)}"
    mail = email.message_from_bytes(as_eml(envelope(subject), "grower@example.com"), policy=email.policy.default)
    assert mail["Subject"] == subject


def test_a_text_in_any_script_and_with_long_links_is_read_as_it_was_sent() -> None:
    text = "Picture: 葉 №3.jpg\nSee it: https://link/" + "x" * 2000 + "\n"
    mail = email.message_from_bytes(as_eml(envelope(text=text), "grower@example.com"), policy=email.policy.default)
    assert isinstance(mail, email.message.EmailMessage)
    assert mail.get_content() == text
    assert mail["To"] == "grower@example.com"


def test_the_predictions_of_an_alert_are_in_its_attribute() -> None:
    attributes = {"predictions": {"Type": "String.Array", "Value": '["predictions/dt=2026-11-22/a.json"]'}}
    assert predictions_of({"MessageAttributes": attributes}) == {"predictions/dt=2026-11-22/a.json"}


def test_a_message_published_by_hand_is_a_mail_too() -> None:
    by_hand = {"Message": "hello", "Timestamp": "2026-11-22T10:00:00.123Z", "MessageId": "m-1"}
    mail = email.message_from_bytes(as_eml(by_hand, "grower@example.com"), policy=email.policy.default)
    assert mail["Subject"] == "AWS Notification Message"
    assert predictions_of(by_hand) == frozenset()
