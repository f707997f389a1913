"""Errors become answers, here and nowhere else. Nothing the caller sent is repeated. Source: contract section 2."""

import msgspec

from azukari.core.errors import ApiError
from azukari.web.answers import Answer


class ErrorOut(msgspec.Struct):
    """The inside of an error answer."""

    code: str
    message: str
    param: str | None
    details: dict[str, str]


class Wrapped(msgspec.Struct):
    """An error answer."""

    error: ErrorOut


def out(error: ApiError) -> ErrorOut:
    """The inside of the answer for one of the caller's errors."""
    return ErrorOut(error.code, error.message, error.param, {})


def answer(error: ApiError) -> Answer:
    """The answer for one of the caller's errors."""
    body = Wrapped(out(error))
    headers = dict(error.headers)
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return Answer.of(body, error.status)._replace(headers=headers)


#: A bug: nothing is told but that it is ours.
BUG = answer(ApiError())
