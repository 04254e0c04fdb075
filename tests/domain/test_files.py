"""Names of files: whatever they were, they can be stored, sent in a header, and shown without deceiving anybody."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.files import LONGEST_NAME, NAMELESS, TURNING, clean_name, ending


@given(st.text(max_size=400))
def test_a_clean_name_is_safe_and_clean_already(name: str) -> None:
    clean = clean_name(name)
    assert 0 < len(clean.encode()) <= LONGEST_NAME
    assert not set(clean) & (TURNING | set("/\\\r\n\0"))
    assert all(unicodedata.category(character) != "Cc" for character in clean)
    assert clean == clean.strip()
    assert clean_name(clean) == clean


@given(st.text(alphabet=st.characters(whitelist_categories=["Ll", "Lu", "Nd"]), min_size=300, max_size=400))
def test_a_long_name_keeps_its_ending(stem: str) -> None:
    assert clean_name(f"{stem}.pdf").endswith(".pdf")


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a/", "\0", "\u202e", " . "])
def test_what_has_no_name_gets_one(name: str) -> None:
    assert clean_name(name) == NAMELESS


@pytest.mark.parametrize(("name", "found"), [("a.PDF", "pdf"), ("a.tar.gz", "gz"), ("a", ""), (".env", ""), ("a.", "")])
def test_the_ending_is_what_follows_the_last_dot(name: str, found: str) -> None:
    assert ending(name) == found
