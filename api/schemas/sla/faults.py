"""What the domain finds wrong with a field, told together with what pydantic finds wrong with the others."""

from collections.abc import Iterable
from typing import Any, Protocol

from pydantic import ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError


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


def refuse(found: Iterable[Fault], within: str = "") -> None:
    """Raise what pydantic raises for the faults below the pointer `within`, in a validator of what lies there."""
    errors = [
        InitErrorDetails(
            type=PydanticCustomError(fault.code, "{detail}", {"detail": fault.detail}),
            loc=tuple(fault.pointer.removeprefix(within).split("/")[1:]),
            input=None,
        )
        for fault in found
        if f"{fault.pointer}/".startswith(f"{within}/")
    ]
    if errors:
        raise ValidationError.from_exception_data("faults", errors)


def without_tag(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """A member of a tagged union. Pydantic names the tag in the place of a fault, where no JSON pointer could go."""
    try:
        return validate(value)
    except ValidationError as error:
        raise ValidationError.from_exception_data("union", [_untagged(each) for each in error.errors()]) from None


def _untagged(error: ErrorDetails) -> InitErrorDetails:
    same = PydanticCustomError(error["type"], "{detail}", {"detail": error["msg"]})
    return InitErrorDetails(type=same, loc=error["loc"][1:], input=None)
