"""The optional API key."""

import hmac
import os
from collections.abc import Callable
from typing import Annotated

from fastapi import Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from ..errors import InputError
from .problems import Problem

VARIABLE, HEADER = "KBERT_API_KEY", "X-API-Key"
Own = Annotated[str | None, Security(APIKeyHeader(name=HEADER, auto_error=False))]
Standard = Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))]


def key_of_environment() -> str | None:
    """Returns the API key in the environment, or None.

    Raises:
        InputError: the variable is empty, or a header cannot contain its value.
    """
    key = os.environ.get(VARIABLE)
    if key is not None and (not key.strip() or not (key.isascii() and key.isprintable()) or key != key.strip()):
        raise InputError(
            f"the environment variable {VARIABLE} should contain a key of printable ASCII characters without spaces around "
            "it: set one, or unset the variable"
        )
    return key


def required(key: str | None) -> Callable[..., None]:
    """Returns a dependency of FastAPI that raises Problem if a request does not have the key.

    Args:
        key: the key, or None if every request is allowed.
    """
    if key is None:
        return lambda: None
    wanted = key.encode()

    def check(own: Own, standard: Standard) -> None:
        given = own if own is not None else standard.credentials if standard else ""
        # In constant time, so that the time of the answer does not show how many characters are right.
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted):
            raise Problem(
                401, f"this server needs an API key: send it in the header {HEADER}, or as Authorization: Bearer KEY"
            )

    return check
