"""What a person is told when the local system cannot start."""


class LocalProblem(Exception):
    """One sentence that says what is wrong, and what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
