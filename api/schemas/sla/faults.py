"""What the domain finds wrong with a field, told together with what pydantic finds wrong with the others."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from pydantic import ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from api.schemas.wording import in_words


class Fault(Protocol):
    """One thing that is wrong, and where (a JSON pointer)."""

    @property
    def pointer(self) -> str:
        """Where."""

    @property
    def code(self) -> str:
        """What, for programs."""

    @property
    def detail(self) -> str:
        """What, for people."""


def refuse(found: Iterable[Fault], within: str = "", beside: Iterable[ErrorDetails] = ()) -> None:
    """Raise what pydantic raises for the faults below the pointer `within`, in a validator of what lies there.

    `beside` is what pydantic has found there itself.
    """
    errors = [
        _error(fault.code, fault.detail, tuple(fault.pointer.removeprefix(within).split("/")[1:]))
        for fault in found
        if f"{fault.pointer}/".startswith(f"{within}/")
    ]
    errors += [_again(each, each["loc"]) for each in beside]
    if errors:
        raise ValidationError.from_exception_data("faults", errors)


def together(value: Any, validate: ValidatorFunctionWrapHandler, found: Iterable[Fault]) -> Any:
    """What `validate` makes of a value; what it finds wrong is told together with what was `found` in the value as it came."""
    try:
        valid = validate(value)
    except ValidationError as error:
        refuse(found, beside=error.errors())
    refuse(found)
    return valid


def sound(value: Any, error: ValidationError) -> Mapping[str, Any]:
    """The members of an object in which pydantic has found nothing wrong."""
    bad = {each["loc"][0] for each in error.errors() if each["loc"]}
    return {name: each for name, each in value.items() if name not in bad} if isinstance(value, Mapping) else {}


def without_tag(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """A member of a tagged union. Pydantic names the tag in the place of a fault, where no JSON pointer could go."""
    try:
        return validate(value)
    except ValidationError as error:
        errors = [_again(each, each["loc"][1:]) for each in error.errors()]
        raise ValidationError.from_exception_data("union", errors) from None


def _again(error: ErrorDetails, place: tuple[int | str, ...]) -> InitErrorDetails:
    """An error of pydantic's at another place, in plain words, because its context does not travel."""
    return _error(error["type"], in_words(error["type"], error["msg"], error.get("ctx", {})), place)


def _error(code: str, detail: str, place: tuple[int | str, ...]) -> InitErrorDetails:
    told = PydanticCustomError(code, "{detail}", {"detail": detail})
    return InitErrorDetails(type=told, loc=place, input=None)
