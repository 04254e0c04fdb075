"""What is wrong with a field, in plain words: pydantic's own messages speak of Python's types, and some repeat the input."""

import re
from collections.abc import Mapping
from typing import Any, Final

SAYINGS: Final[Mapping[str, str]] = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "date_from_datetime_inexact": "must be a date without a time",
    "date_from_datetime_parsing": "must be a date",
    "datetime_from_date_parsing": "must be an RFC 3339 time",
    "datetime_object_invalid": "must be an RFC 3339 time",
    "datetime_parsing": "must be an RFC 3339 time",
    "decimal_max_digits": "must have at most {max_digits} digits",
    "decimal_max_places": "must have at most {decimal_places} decimals",
    "decimal_parsing": "must be a decimal number",
    "decimal_type": "must be a decimal number",
    "decimal_whole_digits": "must have at most {whole_digits} digits before the decimal point",
    "dict_type": "must be an object",
    "enum": "must be {expected}",
    "extra_forbidden": "There is no such field.",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_type": "must be a whole number",
    "json_invalid": "The body is not JSON.",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "missing": "is required",
    "model_attributes_type": "The body must be a JSON object, sent as application/json.",
    "model_type": "must be an object",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "string_type": "must be a string",
    "string_unicode": "must not contain lone surrogates",
    "timezone_aware": "must have a UTC offset, such as Z",
    "too_long": "must have at most {max_length} items",
    "too_short": "must have at least {min_length} items",
    "tuple_type": "must be a list",
    "union_tag_invalid": "is none of the known kinds",
    "union_tag_not_found": "must be an object that names its kind in `type`",
    "url_parsing": "must be a URL",
    "uuid_parsing": "must be a UUID",
    "uuid_type": "must be a UUID",
}
"""By pydantic's code. A message that is ours already has a code of ours."""

MEMBER: Final = re.compile(r"<\w+\.\w+: ('[^']*'|\d+)>")
"""A member of an enumeration as Python shows it."""

COUNTED: Final = re.compile(r"\b1 (item|character|decimal|digit)s\b")

LONGEST: Final = 300


def in_words(code: str, message: str, context: Mapping[str, Any]) -> str:
    """What is wrong, for people. A code that is known in words needs what its pattern names; else the message stands."""
    facts = {name: MEMBER.sub(r"\1", value) if isinstance(value, str) else value for name, value in context.items()}
    try:
        text = SAYINGS[code].format_map(facts)
    except KeyError:
        text = MEMBER.sub(r"\1", message)
    return COUNTED.sub(r"1 \1", text)[:LONGEST]
