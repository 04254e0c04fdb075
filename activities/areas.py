"""Every kind of process with what it brings; a new kind adds itself here."""

from collections.abc import Mapping
from typing import Any, Final

from activities.decisions import Area
from activities.tickets import TICKETS

AREAS: Final[Mapping[str, Area[Any]]] = {area.kind: area for area in (TICKETS,)}
