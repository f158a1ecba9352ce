"""Limits of the server, each of which is also a command line option of `kbert-serve`."""

from dataclasses import dataclass

from ..settings import Options, option


@dataclass(frozen=True)
class Limits(Options):
    """What one request may contain, how many requests may wait, and how texts are batched."""

    max_body_kib: int = option(1024, "maximum size of the body of a request, in KiB (status 413)", least=1)
    max_texts: int = option(256, "maximum number of texts in a request (status 413)", least=1)
    max_characters: int = option(10_000, "maximum number of characters of a text (status 413)", least=1)
    max_waiting: int = option(256, "maximum number of requests without an answer; one more gets status 429", least=1)
    timeout: float = option(30.0, "maximum number of seconds until a request is answered (status 503)", above=0)
    batch_tokens: int = option(
        1024, "maximum number of tokens of a batch, padding included; 1 computes each text alone", least=1
    )
    batch_wait: float = option(
        2.0, "milliseconds to wait for more texts if several clients send requests and no text is waiting", least=0
    )
