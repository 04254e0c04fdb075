"""An answer is shown without the conversation that hangs on it, and nothing that somebody wrote is hidden."""

import pytest

from domain.mail.html import html_text
from domain.mail.message import read_mail
from domain.mail.quotes import fold

HEADINGS = [
    "On Mon, 2 Mar 2026 at 10:00, Summit <support@summit.example> wrote:",
    "On Mon, 2 Mar 2026 at 10:00, Summit\n<support@summit.example> wrote:",
    "Am 02.03.26 um 10:00 schrieb Summit:",
    "Summit <support@summit.example> schrieb am Mo., 2. März 2026, 10:00:",
    "Le lun. 2 mars 2026 à 10:00, Summit <support@summit.example> a écrit :",
    "El lun, 2 mar 2026 a las 10:00, Summit (<support@summit.example>) escribió:",
    "Il giorno lun 2 mar 2026 alle ore 10:00 Summit <support@summit.example> ha scritto:",
    "Em seg., 2 de mar. de 2026 às 10:00, Summit <support@summit.example> escreveu:",
    "Op ma 2 mrt 2026 om 10:00 schreef Summit <support@summit.example>:",
    "Den mån 2 mars 2026 kl 10:00 skrev Summit <support@summit.example>:",
    "W dniu pon., 2.03.2026 o 10:00 Summit <support@summit.example> napisał(a):",
    "пн, 2 мар. 2026 г. в 10:00, Summit <support@summit.example>:",
    "2026年3月2日(月) 10:00 Summit <support@summit.example>:",
    "Summit <support@summit.example> 于2026年3月2日周一 10:00写道：",
    "-----Original Message-----",
    "-----Ursprüngliche Nachricht-----",
    "________________________________\nFrom: Summit <support@summit.example>\nSent: Monday, March 2\nTo: Casey\nSubject: Re: Help",
    "Von: Summit <support@summit.example>\nGesendet: Montag, 2. März 2026 10:00\nAn: Casey\nBetreff: AW: Hilfe",
    "*De:* Summit\n*Envoyé:* lundi 2 mars 2026\n*À:* Casey\n*Objet:* RE: Aide",
    "On Monday Support wrote:",
]


@pytest.mark.parametrize("heading", HEADINGS)
def test_what_hangs_on_an_answer_is_folded_away(heading: str) -> None:
    said, quoted = fold(f"It still fails.\n\nCasey\n\n{heading}\n> What happened?\n>\n> Summit\n")
    assert said == "It still fails.\n\nCasey"
    assert quoted is not None
    assert "What happened?" in quoted
    assert heading.split("\n")[0] in quoted


@pytest.mark.parametrize("heading", [HEADINGS[0], HEADINGS[2], HEADINGS[14], HEADINGS[16], HEADINGS[17]])
def test_it_is_folded_without_marks_too(heading: str) -> None:
    said, quoted = fold(f"Thanks!\n\n{heading}\n\nWhat happened?")
    assert said == "Thanks!"
    assert quoted is not None


def test_an_answer_below_the_question_is_seen() -> None:
    said, quoted = fold(f"{HEADINGS[0]}\n> What happened?\n\nThe pump stopped.\n")
    assert said == "The pump stopped."
    assert quoted == f"{HEADINGS[0]}\n> What happened?"


def test_answers_between_the_lines_keep_their_questions() -> None:
    text = f"{HEADINGS[0]}\n> Which pump?\n\nThe red one.\n\n> Since when?\n\nMonday.\n\n> Bye"
    said, quoted = fold(text)
    assert said.startswith(HEADINGS[0])
    assert "> Since when?\n\nMonday." in said
    assert quoted == "> Bye"


def test_a_mail_that_only_quotes_shows_it() -> None:
    text = f"{HEADINGS[0]}\n> What happened?"
    assert fold(text) == (text, None)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        (
            "Help",
            "Please look.\n\n---------- Forwarded message ---------\nFrom: A <a@x.example>\nDate: Mon\nSubject: X\n\nIt fails.",
        ),
        (
            "Help",
            "Please look.\n\nBegin forwarded message:\n\nFrom: A <a@x.example>\nDate: Mon\nSubject: X\n\nIt fails.",
        ),
        ("FW: Help", "Please look.\n\nFrom: A <a@x.example>\nSent: Monday\nTo: B\nSubject: Help\n\nIt fails."),
    ],
)
def test_what_is_forwarded_is_what_the_mail_says(subject: str, text: str) -> None:
    assert fold(text, subject) == (text, None)


@pytest.mark.parametrize(
    "text",
    [
        "On Monday we restarted it.\nThe log wrote:\nout of memory",
        "From: the beginning it was slow.\nThat is all.",
        "He said:\nit works",
        "> is the prompt that I see\nand then nothing",
    ],
)
def test_what_somebody_wrote_is_not_taken_for_a_quotation(text: str) -> None:
    assert fold(text) == (text, None)


def test_a_page_of_gmail_is_folded() -> None:
    page = (
        '<div dir="ltr">It fails.</div><br><div class="gmail_quote"><div class="gmail_attr">On Mon, Mar 2, 2026 at 10:00 Summit '
        '&lt;<a href="mailto:support@summit.example">support@summit.example</a>&gt; wrote:<br></div>'
        "<blockquote>What happened?</blockquote></div>"
    )
    assert fold(html_text(page))[0] == "It fails."


@pytest.mark.parametrize(
    "mark", ['id="divRplyFwdMsg"', 'class="yahoo_quoted"', "id=appendonsend", 'class="moz-cite-prefix"']
)
def test_pages_of_other_programs_are_folded_by_their_marks(mark: str) -> None:
    assert (
        fold(html_text(f"<p>It fails.</p><div {mark}>Nobody knows this heading</div><div>Old words</div>"))[0]
        == "It fails."
    )


def test_what_gmail_forwards_is_shown() -> None:
    page = '<div>See:</div><div class="gmail_quote"><div>---------- Forwarded message ---------<br>From: A</div>It fails.</div>'
    assert "It fails." in fold(html_text(page), "Fwd: x")[0]


def test_the_first_sender_of_what_is_forwarded_is_found() -> None:
    text = "FYI\n\n---------- Forwarded message ---------\nFrom: Ada <ada@x.example>\nDate: Mon\nSubject: X\nTo: b@x.example\n\nHi"
    read = read_mail(f"From: agent@acme.example\r\nSubject: Fwd: X\r\n\r\n{text}".encode())
    assert read.forwarded is not None
    assert (read.forwarded.name, read.forwarded.address) == ("Ada", "ada@x.example")
    plain = read_mail(b"From: agent@acme.example\r\nSubject: X\r\n\r\nFrom: me@x.example is what I see.")
    assert plain.forwarded is None
