"""The caller's errors: a status, a fixed code and a message that is safe to show and to log.

Statuses and codes: contract section 2. Messages never repeat a value the caller sent.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType


class ApiError(Exception):
    """Something the caller is told. Rendered once, in ``wire/errors.py``."""

    status = 500
    code = "internal_server_error"
    message = "Something went wrong on our side."
    param: str | None = None
    #: Seconds after which the same request may be tried again (``Retry-After``).
    retry_after: int | None = None
    #: Response headers of this error alone.
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, message: str | None = None, *, param: str | None = None, code: str | None = None) -> None:
        if message is not None:
            self.message = message
        if param is not None:
            self.param = param
        if code is not None:
            self.code = code
        super().__init__(self.code)

    def __str__(self) -> str:
        return f"{self.status} {self.code}" + (f" ({self.param})" if self.param else "")


class BadRequest(ApiError):
    """The request cannot be read at all."""

    status, code, message = 400, "bad_request", "The request is malformed."


class Unauthorized(ApiError):
    """No key, or one we do not know."""

    status, code, message = 401, "unauthorized", "User authorization failed"
    headers: Mapping[str, str] = MappingProxyType({"WWW-Authenticate": 'Basic realm="Azukari"'})


class Forbidden(ApiError):
    """A known key that may not do this."""

    status, code, message = 403, "forbidden", "You are not authorized to perform that action."


class NotFound(ApiError):
    """No such thing, or it is somebody else's: the answer is the same."""

    status, code, message = 404, "not_found", "The requested resource could not be found."


class MethodNotAllowed(ApiError):
    """The path is known, the method is not. Source: RFC 9110, 15.5.6 (``Allow``)."""

    status, code, message = 405, "bad_request", "This method is not allowed here."

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__()
        self.headers = {"Allow": ", ".join(sorted(allowed))}


class RequestTimeout(ApiError):
    """The request took too long to arrive."""

    status, code, message = 408, "bad_request", "The request did not arrive in time."


class Conflict(ApiError):
    """The first request with this idempotency key is still running."""

    status, code, message = 409, "conflict", "A request with this idempotency key is still running."
    retry_after = 1


class BodyTooLarge(ApiError):
    """The body is over the limit."""

    status, code, message = 413, "bad_request", "The request body is too large."


class UnsupportedMediaType(ApiError):
    """A body that is neither JSON nor a form."""

    status, code = 415, "bad_request"
    message = "Send JSON or application/x-www-form-urlencoded in UTF-8, and say which in the header Content-Type."


class Unprocessable(ApiError):
    """Well-formed, and cannot be followed."""

    status, code, message = 422, "unprocessable_entity", "The request cannot be followed."


class MissingParameter(Unprocessable):
    """A required parameter is not there."""

    code = "missing_parameter"

    def __init__(self, param: str) -> None:
        super().__init__(f"A required parameter ({param}) is missing.", param=param)


class InvalidParameter(Unprocessable):
    """A parameter is there and wrong."""

    code = "invalid_parameter"

    def __init__(self, param: str, message: str | None = None) -> None:
        super().__init__(message or f"The value of {param} is invalid.", param=param)


class InvalidToken(Unprocessable):
    """Unknown, used, expired, or another merchant's token."""

    code, message, param = "invalid_token", "The token you requested is invalid.", "payment_details"


class Locked(ApiError):
    """Another operation on the same payment is in flight."""

    status, code, message = 423, "locked", "Processing."
    retry_after = 1


class TooManyRequests(ApiError):
    """Over a rate limit."""

    status, code, message = 429, "request_failed", "Too many requests. Please try again later."
    retry_after = 60

    def __init__(self, *, retry_after: int | None = None) -> None:
        super().__init__()
        if retry_after is not None:
            self.retry_after = retry_after


class Unavailable(ApiError):
    """The database, the disk or the key service is down; nothing was charged."""

    status, code, message = 503, "service_unavailable", "The service is unavailable for the moment."
    retry_after = 5
