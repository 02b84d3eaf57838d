"""What a user is told in one sentence instead of a traceback."""


class UserError(Exception):
    """Raised when the user can mend it; the message says what is wrong and what to do next."""
