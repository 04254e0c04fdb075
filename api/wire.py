"""What the server itself refuses before there is a request, as a problem like every other."""

from typing import Final

from starlette.responses import Response
from uuid_utils import uuid7
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.problems import problem, status_title

STATUS: Final = 400


def unreadable() -> Response:
    """A problem without a path, because none could be read."""
    request_id = str(uuid7())
    headers = {"Connection": "close", "X-Request-Id": request_id}
    detail = "This is no HTTP request that can be read."
    return problem(status_title(STATUS), STATUS, detail, path="", request_id=request_id, headers=headers)


class Wire(HttpToolsProtocol):
    """The protocol of the server, which would answer in plain text."""

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are no request, and hang up."""
        response = unreadable()
        lines = [name + b": " + value + b"\r\n" for name, value in response.raw_headers]
        self.transport.write(b"".join((STATUS_LINE[STATUS], *lines, b"\r\n", response.body)))
        self.transport.close()
