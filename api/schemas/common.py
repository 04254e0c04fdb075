"""The words of the wire: closed bodies in camelCase, texts that every layer can hold, aware instants, exact money."""

import math
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    JsonValue,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from api.tenancy import own_tenant
from domain.customers import domain_name, time_zone
from domain.tickets.fields import LARGEST_INTEGER


class Body(BaseModel):
    """What a caller sends: camelCase, and nothing that the schema does not name."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


def left_out() -> Any:
    """The default of a field that a change may leave out but not set to null; look at `model_fields_set`."""
    return Field(default_factory=lambda: None)


class View(BaseModel):
    """What a caller is shown, in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)


class Resource(View):
    """What every resource carries; `version` is the one that ETag and If-Match speak of."""

    id: UUID
    created_at: datetime
    updated_at: datetime
    version: int


RFC3339: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:")
DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DECIMAL: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?")
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def storable(text: str) -> str:
    """`text`, unless Postgres could not hold it."""
    if "\0" in text:
        raise PydanticCustomError("string_nul", "must not contain the NUL character")
    return text


def one_line(text: str) -> str:
    """`text`, unless it holds a control character: line breaks would become headers of a mail, escapes colours of a terminal."""
    storable(text)
    if CONTROL.search(text):
        raise PydanticCustomError("control_character", "must be one line without control characters")
    return text


def says_something(text: str) -> str:
    """`text`, unless there is nothing but white space in it."""
    if not text.strip():
        raise PydanticCustomError("blank", "must not be blank")
    return text


def _rfc3339(value: Any) -> Any:
    if not isinstance(value, str) or not RFC3339.match(value):
        raise PydanticCustomError("instant", "must be an RFC 3339 time as a string")
    return value


def _day(value: Any) -> Any:
    if not isinstance(value, str) or not DAY.fullmatch(value):
        raise PydanticCustomError("date", "must be a date such as 2026-12-31")
    return value


def _plain_address(value: Any) -> Any:
    if isinstance(value, str) and "<" in value:
        raise PydanticCustomError("address", "must be an address without a name")
    return value


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("instant", "must lie between the years 1 and 9999") from None


def _decimal_text(value: Any) -> Any:
    # A float that JSON made of 0.1 is nearest to 0.1 in its shortest spelling.
    written = isinstance(value, str) and not DECIMAL.fullmatch(value)
    if written or isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        raise PydanticCustomError("money", "must be a decimal number")
    return repr(value) if isinstance(value, float) else value


def _plain(value: Decimal) -> str:
    return format(value, "f")


def _domain(text: str) -> str:
    try:
        return domain_name(text)
    except ValueError:
        raise PydanticCustomError("domain", "must be a domain name such as example.com") from None


def _time_zone(text: str) -> str:
    try:
        return time_zone(text)
    except ValueError:
        raise PydanticCustomError("time_zone", "must be an IANA time zone such as Europe/Paris") from None


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(one_line)]
"""A name or a title."""

Text = Annotated[str, StringConstraints(max_length=100_000), AfterValidator(storable)]
"""What somebody writes."""

Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), AfterValidator(one_line)]
"""A tag, a category."""


def unique(values: list[Any]) -> list[Any]:
    """Values in the order given, each once."""
    return list(dict.fromkeys(values))


Skills = Annotated[
    list[Annotated[Word, AfterValidator(str.casefold)]],
    Field(max_length=50, description="Words without case: they are kept, and shown, folded."),
    AfterValidator(unique),
]
"""What somebody is able to do, or a ticket needs: folded where it is written, for the database compares without knowing how."""

Email = Annotated[EmailStr, BeforeValidator(_plain_address), Field(max_length=254)]
EMAIL: Final[TypeAdapter[str]] = TypeAdapter(Email)


def _as_kept(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return EMAIL.validate_python(value)
    except ValidationError:
        return validate(value)


KnownEmail = Annotated[
    str, StringConstraints(min_length=1, max_length=254), AfterValidator(storable), WrapValidator(_as_kept)
]
"""An address to look for. Mail comes from more addresses than anybody may be given here; what is a good one is spelled as it is kept."""

Day = Annotated[date, BeforeValidator(_day)]
"""A calendar day."""

Instant = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_utc)]
"""An instant; a time without an offset is refused."""

Money = Annotated[
    Decimal,
    BeforeValidator(_decimal_text),
    Field(ge=0, max_digits=14, decimal_places=3, allow_inf_nan=False),
    PlainSerializer(_plain, return_type=str, when_used="json"),
]
"""An amount, exact; read as a string or a number, written as a string."""

Percent = Annotated[
    Decimal,
    BeforeValidator(_decimal_text),
    Field(gt=0, le=100, max_digits=6, decimal_places=3, allow_inf_nan=False),
    PlainSerializer(_plain, return_type=str, when_used="json"),
]
"""A share of a hundred, exact; read as a string or a number, written as a string."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""An ISO 4217 code."""

Domain = Annotated[str, Field(max_length=253), AfterValidator(_domain)]
TimeZone = Annotated[str, Field(max_length=64), AfterValidator(_time_zone)]

OwnTenant = Annotated[UUID, AfterValidator(own_tenant)]
"""The caller's own tenant; another one is 403."""

LONGEST_SEARCH: Final = 500


def _searchable(value: Any) -> Any:
    return value.replace("\0", "")[:LONGEST_SEARCH] if isinstance(value, str) else value


SearchText = Annotated[str, BeforeValidator(_searchable)]
"""What somebody searches for: never an error, NUL is dropped and so is what comes after 500 characters."""

DEEPEST: Final = 10
MOST_BYTES: Final = 32_768
"""They are part of the state, which travels with every decision."""
MOST_NODES: Final = 2_000


def _nodes(root: JsonValue) -> Iterator[tuple[int, JsonValue]]:
    stack: list[tuple[int, JsonValue]] = [(0, root)]
    while stack:
        depth, node = stack.pop()
        yield depth, node
        if isinstance(node, dict):
            stack.extend((depth + 1, key) for key in node)
            stack.extend((depth + 1, value) for value in node.values())
        elif isinstance(node, list):
            stack.extend((depth + 1, value) for value in node)


def bounded(value: Any) -> Any:
    """`value`, when it is JSON of modest depth and size that Postgres can hold. Runs before pydantic recurses."""
    size = 0
    for count, (depth, node) in enumerate(_nodes(value)):
        if depth > DEEPEST:
            raise PydanticCustomError("json_depth", "must not be nested more than 10 levels deep")
        if count > MOST_NODES:
            raise PydanticCustomError("json_size", "must not hold more than 2000 values")
        if isinstance(node, float) and not math.isfinite(node):
            raise PydanticCustomError("json_number", "must hold finite numbers only")
        if isinstance(node, int) and abs(node) > LARGEST_INTEGER:
            detail = f"must not hold whole numbers beyond {LARGEST_INTEGER} either way; send longer ones as texts"
            raise PydanticCustomError("json_integer", detail)
        size += len(node.encode("utf-8", "surrogatepass")) if isinstance(node, str) else 8
        if size > MOST_BYTES:
            raise PydanticCustomError("json_bytes", "must not take more than 32 KiB")
        if isinstance(node, str):
            storable(node)
            if not node.isascii() and any("\ud800" <= character <= "\udfff" for character in node):
                raise PydanticCustomError("string_unicode", "must not contain lone surrogates")
    return value


JsonObject = Annotated[dict[str, JsonValue], BeforeValidator(bounded)]
"""Fields of the customer's own making."""
