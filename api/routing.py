"""Routers that know where they begin, so that a request is not compared with every route of the product."""

from functools import cached_property

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope


class Area(APIRouter):
    """The routes of one area, with their whole paths. All of them must be added before the first request."""

    @cached_property
    def beginnings(self) -> tuple[str, ...]:
        """The fixed beginnings of this area's paths."""
        paths = [route.path for route in self.routes if isinstance(route, APIRoute)]
        return tuple(dict.fromkeys(path.partition("{")[0] for path in paths))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether one of the routes takes this request."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return super().matches(scope) if path.startswith(self.beginnings) else (Match.NONE, {})
