"""`/docs`: Swagger UI with every asset from this process, under a policy that allows just those."""

from importlib.resources import files
from typing import Any, Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}

# Addresses are relative, so that the page also works behind a proxy that adds a prefix.
PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Summit: the REST interface</title>
<link rel="icon" href="docs/assets/favicon.png">
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
</head>
<body>
<div id="manual"></div>
<noscript>This page needs JavaScript; the document behind it is <a href="openapi.json">openapi.json</a>.</noscript>
<script src="docs/assets/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

START: Final = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#manual",
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  filter: true,
});
"""


class Assets(StaticFiles):
    """Files that a browser may keep, but asks about before each use."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The file, or that it has not changed."""
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response


async def page(request: Request) -> Response:
    """The page."""
    return HTMLResponse(PAGE, headers=HEADERS)


async def start(request: Request) -> Response:
    """What the page runs; a file of its own, because the policy allows no inline script."""
    return Response(START, headers=HEADERS, media_type="text/javascript")


def install(app: FastAPI) -> None:
    """Let `app` serve the page."""
    app.add_route("/docs", page, include_in_schema=False)
    app.add_route("/docs/start.js", start, include_in_schema=False)
    app.mount("/docs/assets", Assets(directory=str(files("fastapi_offline") / "static")), name="manual")
