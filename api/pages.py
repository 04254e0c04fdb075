"""Pages of the API's own, for as long as no portal serves them: one document, its style and its script, each at an address."""

from dataclasses import dataclass
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
}

DOCUMENT: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{name}/page.css">
<script src="{name}/page.js" defer></script>
</head>
<body>
<main>
<h1>{title}</h1>
{main}<p role="status"></p>
</main>
</body>
</html>
"""


@dataclass(frozen=True)
class OwnPage:
    """A page at `path`; what follows # in its address stays in the browser until a form is sent.

    Addresses in it are relative, so that it also works behind a proxy that adds a prefix; style and script are files of their
    own, because the policy allows none inline.
    """

    path: str
    title: str
    main: str
    style: str
    script: str

    @property
    def document(self) -> str:
        """The page as browsers get it: a heading, `main`, and a line that says what has come of it."""
        name = self.path.strip("/")
        return DOCUMENT.format(name=name, title=self.title, main=self.main)

    def install(self, app: FastAPI) -> None:
        """Let `app` serve it."""

        async def document(request: Request) -> Response:
            return HTMLResponse(self.document, headers=HEADERS)

        async def style(request: Request) -> Response:
            return Response(self.style, headers=HEADERS, media_type="text/css")

        async def script(request: Request) -> Response:
            return Response(self.script, headers=HEADERS, media_type="text/javascript")

        app.add_route(self.path, document, include_in_schema=False)
        app.add_route(f"{self.path}/page.css", style, include_in_schema=False)
        app.add_route(f"{self.path}/page.js", script, include_in_schema=False)
