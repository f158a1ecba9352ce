"""Problem: the reason why a request gets no answer."""


class Problem(Exception):
    """A request that is not answered.

    Args:
        status: the HTTP status.
        sentence: what was expected, what was found and what to do.
        retry_after: number of seconds after which the client can try again, or None.
    """

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.retry_after = status, sentence, retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
