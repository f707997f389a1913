"""What an error's answer says."""

import httpx


def refusal(reply: httpx.Response) -> tuple[int, str, str | None]:
    """Status, code and parameter of an error."""
    error = reply.json()["error"]
    return reply.status_code, error["code"], error["param"]


def refused(reply: httpx.Response, status: int, code: str, param: str | None = None) -> None:
    """Check that a request was refused just so."""
    assert refusal(reply) == (status, code, param), reply.text
