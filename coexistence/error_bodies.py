"""The one shape of errors over HTTP, and what they say; nothing of the request is repeated."""

from __future__ import annotations

from sanic import response
from sanic.response import HTTPResponse

FOR_STATUS = {
    400: "The request is not valid HTTP.",
    401: "The request carries no credential that is accepted; docs/security.md shows how to send "
    "one.",
    404: "There is no such path; action calls go to /webhook.",
    405: "The method is not allowed on this path.",
    408: "The request took too long to arrive.",
    413: "The body is too large (profile_store.max_body_bytes).",
}


def make(message: str, status: int, action: str = "") -> HTTPResponse:
    """Return an error; Rasa's client reads `action_name` of a 400."""
    return response.json({"error": message, "action_name": action}, status=status)
