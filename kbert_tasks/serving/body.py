"""Reads the JSON body of a request, with limits on its size and on the time that it takes."""

import json
from typing import Any, NoReturn

import anyio
from starlette.requests import ClientDisconnect, Request

from ..data.cells import each_key_once
from ..errors import RowError
from .limits import Limits
from .problems import Problem

JSON = "application/json"
DIGITS = 1000  # maximum number of digits of a whole number; Python refuses to convert more than 4300
NESTED = 32  # maximum depth of nesting; code that reads values may be recursive


async def read(request: Request, limits: Limits, deadline: float) -> Any:
    """Returns the JSON value in the body of a request.

    Args:
        request: the request.
        limits: the Limits.
        deadline: the time of `anyio.current_time` until which the body should be received.

    Raises:
        Problem: the body is not JSON, too large, or not received in time.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:  # also because a browser lets other websites send some other types without asking this server
        raise Problem(415, f"the header Content-Type should be {JSON}, found {kind or 'none'}")
    most = limits.max_body_kib << 10
    if int(request.headers.get("content-length", 0)) > most:
        raise _too_large(limits)
    raw = bytearray()
    try:
        with anyio.fail_after(deadline - anyio.current_time()):
            async for part in request.stream():
                raw += part
                if len(raw) > most:
                    raise _too_large(limits)
    except TimeoutError:
        raise Problem(408, f"the body was not received within {limits.timeout:g} seconds: send it faster") from None
    except ClientDisconnect:
        raise Problem(400, "the client closed the connection before the end of the body") from None
    return parsed(bytes(raw))


def _too_large(limits: Limits) -> Problem:
    return Problem(413, f"the body is larger than {limits.max_body_kib} KiB: send fewer or shorter texts")


def parsed(raw: bytes) -> Any:
    """Returns the value of a JSON document.

    Raises:
        Problem: it is not UTF-8 or not JSON, is nested too deeply, has a key twice, or contains half a surrogate pair.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem(400, f"the body is not UTF-8: invalid byte at position {error.start}") from None
    try:
        value = json.loads(text, object_pairs_hook=each_key_once, parse_int=_whole, parse_constant=_refuse)
    except RecursionError:
        raise _too_deep() from None
    except RowError as error:
        raise Problem(400, f"the body is not usable: {error}") from None
    except ValueError as error:
        raise Problem(400, f"the body is not JSON: {error}") from None
    if _is_deep(value):
        raise _too_deep()
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise Problem(
                400, "the body is not usable: it contains half of a surrogate pair (\\ud800 to \\udfff)"
            ) from None
    return value


def _is_deep(value: Any) -> bool:
    """Returns whether lists and objects are nested more than NESTED times; works without recursion."""
    level = [value]
    for _ in range(NESTED + 1):
        inside = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [each for values in inside for each in values]
    return bool(level)


def _too_deep() -> Problem:
    return Problem(400, f"the body is not usable: its JSON is nested too deeply, the maximum is {NESTED} levels")


def _whole(digits: str) -> int:
    if len(digits) > DIGITS:
        raise RowError(f"a whole number has {len(digits)} digits, the maximum is {DIGITS}")
    return int(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")
