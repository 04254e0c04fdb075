"""Who is meant by an @."""

import pytest

from domain.tickets.mentions import MOST, mentioned


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@ada have a look", ("ada",)),
        ("Thanks, @Ada.Lovelace.", ("ada.lovelace",)),
        ("(@ada, @grace@example.com and @ada again)", ("ada", "grace@example.com")),
        ("write to ada@example.com", ()),
        ("a@b @ @@ada", ()),
        ("", ()),
        ("@ada@example.com's idea", ("ada@example.com",)),
    ],
)
def test_names_behind_an_at_sign_are_meant(text: str, names: tuple[str, ...]) -> None:
    assert mentioned(text) == names


def test_a_note_tells_so_many_people_at_most() -> None:
    assert len(mentioned(" ".join(f"@someone{n}" for n in range(100)))) == MOST
