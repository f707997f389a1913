"""Errors become answers, here and nowhere else. Nothing the caller sent is repeated. Source: contract section 2."""

import msgspec

from azukari.core.errors import ApiError
from azukari.wire.answers import JSON, Answer


class ErrorOut(msgspec.Struct):
    """The inside of an error answer."""

    code: str
    message: str
    param: str | None
    details: dict[str, str]


class Wrapped(msgspec.Struct):
    """An error answer."""

    error: ErrorOut


class _Error(msgspec.Struct):
    code: str
    message: str | None = None
    param: str | None = None


class _Answered(msgspec.Struct):
    error: _Error


_decode = msgspec.json.Decoder(_Answered).decode


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


def read(answer: Answer) -> ApiError | None:
    """The error that an answer tells, however it came about; None for any other."""
    if answer.status < 400 or answer.media_type != JSON:
        return None
    try:
        told = _decode(answer.body).error
    except msgspec.DecodeError:
        return None
    error = ApiError(told.message, param=told.param, code=told.code)
    error.status = answer.status
    return error


def code_of(answer: Answer) -> str | None:
    """The code of an error answer, however it came about; None for any other."""
    error = read(answer)
    return None if error is None else error.code


#: A bug: nothing is told but that it is ours.
BUG = answer(ApiError())
