"""Problem: the reason why a request gets no answer."""

LONGEST = 500  # maximum number of characters of a sentence, which may quote what the client sent


class Problem(Exception):
    """A request that is not answered.

    Args:
        status: the HTTP status.
        sentence: what was expected, what was found and what to do. It is put on one line, cut if it is too long, and half a
            surrogate pair, which UTF-8 cannot contain, becomes a question mark.
        retry_after: number of seconds after which the client can try again, or None.
    """

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        line = " ".join(sentence.encode("utf-8", "replace").decode("utf-8").split())
        self.sentence = line if len(line) <= LONGEST else f"{line[:LONGEST]}..."
        self.status, self.retry_after = status, retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
