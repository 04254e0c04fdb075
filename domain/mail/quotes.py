"""What a mail says itself, and what it only quotes: answers are shown without the conversation that hangs on them."""

import re
from collections.abc import Sequence
from typing import Final

from domain.mail.html import HISTORY

LONGEST_LINE: Final = 400
"""A longer line begins no quotation."""

MOST_LINES: Final = 20_000

REPLIED: Final = tuple(
    re.compile(each, re.IGNORECASE)
    for each in (
        r"on .{5,300} wrote ?:",
        r"on .{5,300} (sent|said) ?:",
        r"am .{5,300} schrieb .{0,200}:",
        r".{1,200} schrieb am .{5,200}:",
        r"le .{5,300} a écrit ?:",
        r"el .{5,300} escribi[óo] ?:",
        r"il .{5,300} ha scritto ?:",
        r"em .{5,300} escreveu ?:",
        r"op .{5,300} schreef .{0,200}:",
        r"(den|på|fra) .{5,300} skrev .{0,200}:",
        r"den .{5,300} skrev ?:",
        r"(w dniu|dnia|dn\.) .{5,300} (napisał(\(a\)|a)?|pisze) ?:",
        r".{5,300} (пишет|написал(\(а\)|а)?) ?:",
        r"dne .{5,300} napsal(\(a\)|a)? ?:",
        r".{5,200} kirjoitti( .{0,100})? ?:",
        r".{5,300} (şunu|tarihinde .{0,200}) yazdı ?:",
        r".{5,300}(のメール|書きました) ?[:：]",
        r".{5,300}(写道|寫道) ?[:：]",
        r".{5,300}작성 ?[:：]",
    )
)
"""The line with which mail programs name what they quote, by language."""

DATE: Final = re.compile(r"\d{1,2}[:.h]\d{2}|\b(19|20)\d{2}\b")

DASHES: Final = r"\s*(?:-{2,}|_{2,}|\*{2,}|={2,})\s*"
ORIGINAL: Final = re.compile(
    DASHES
    + r"(original (message|appointment)|ursprüngliche nachricht|original-?nachricht|message d'origine|message original"
    + r"|mensaje original|messaggio originale|mensagem original|oorspronkelijk bericht|oprindelig meddelelse"
    + r"|original(t )?meddelande|ursprungligt meddelande|opprinnelig melding|oryginalna wiadomość|wiadomość oryginalna"
    + r"|původní zpráva|исходное сообщение|alkuperäinen viesti|orijinal mesaj|özgün ileti|元のメッセージ|原始邮件|原始郵件"
    + r"|원본 메[시세]지)"
    + DASHES,
    re.IGNORECASE,
)
FORWARDED: Final = re.compile(
    r"\s*(-{2,}\s*(forwarded message|weitergeleitete nachricht|message transféré|mensaje reenviado|messaggio inoltrato"
    r"|mensagem encaminhada|doorgestuurd bericht|videresendt meddelelse|videresendt melding|vidarebefordrat meddelande"
    r"|przekazana wiadomość|přeposlaná zpráva|пересылаемое сообщение|edelleenlähetetty viesti|iletilmiş ileti"
    r"|転送メッセージ|转发的邮件|轉寄郵件|전달된 메[시세]지)\s*-{0,}|(begin forwarded message|anfang der weitergeleiteten nachricht"
    r"|début du message réexpédié|inizio messaggio inoltrato|inicio del mensaje reenviado|início da mensagem reencaminhada"
    r"|begin doorgestuurd bericht)\s*:)\s*",
    re.IGNORECASE,
)
FORWARDS: Final = re.compile(r"\s*(fwd?|wg|tr|rv|i|enc|doorst|vs|vb|pd|转发|轉寄|転送)\s*[:：]", re.IGNORECASE)
"""Subjects of mails that hand on what somebody else wrote."""

FROM: Final = re.compile(
    r"[*_]{0,2}(from|von|de|da|van|fra|från|od|от|lähettäjä|kimden|差出人|发件人|寄件者|보낸 ?사람)[*_]{0,2}\s?[:：][*_]{0,2}\s*(\S.*)",
    re.IGNORECASE,
)
DATED: Final = re.compile(
    r"[*_]{0,2}(sent|gesendet|envoyé|enviado|inviato|verzonden|sendt|skickat|wysłano|odesláno|отправлено|lähetetty|gönderildi"
    r"|date|datum|fecha|data|dato|дата|päivämäärä|tarih|送信日時|日時|发送时间|日期|보낸 ?날짜|날짜)[*_]{0,2}\s?[:：]",
    re.IGNORECASE,
)
OTHERS: Final = re.compile(
    r"[*_]{0,2}(to|an|à|para|a|aan|til|till|do|komu|кому|vastaanottaja|kime|宛先|收件人|收件者|받는 ?사람"
    r"|subject|betreff|objet|asunto|oggetto|assunto|onderwerp|emne|ämne|temat|předmět|тема|aihe|konu|件名|主题|主旨|제목)"
    r"[*_]{0,2}\s?[:：]",
    re.IGNORECASE,
)
RULE: Final = re.compile(r"\s*(_{10,}|-{10,}|={10,})\s*")


def fold(text: str, subject: str = "") -> tuple[str, str | None]:
    """What a mail says, and what it quotes, if anything. A mail that only quotes says what it quotes, and so does one forwarded."""
    lines = text.split("\n")
    kept, quoted = divided(lines[:MOST_LINES], forwards=FORWARDS.match(subject) is not None)
    rest = lines[MOST_LINES:]
    said = shown(kept if quoted else kept + rest)
    if not said.strip():
        return shown(lines), None
    folded = shown(quoted + rest) if quoted else ""
    return said, folded or None


def shown(lines: Sequence[str]) -> str:
    """Lines as one text, without marks of ours and empty edges."""
    text = "\n".join(line.rstrip() for line in lines if line != HISTORY)
    return re.sub(r"\n{4,}", "\n\n\n", text).strip("\n").rstrip()


def divided(lines: list[str], *, forwards: bool) -> tuple[list[str], list[str]]:
    """The lines that are the mail's own, and those that are quoted."""
    for place, line in enumerate(lines):
        if len(line) > LONGEST_LINE:
            continue
        if FORWARDED.fullmatch(line):
            return lines, []
        if line == HISTORY or ORIGINAL.fullmatch(line) or header_block(lines, place):
            if forwards or forwarded_next(lines, place):
                return lines, []
            if line == HISTORY:
                return answered(lines, place, heading(lines, place + 1))
            return lines[: before(lines, place)], lines[before(lines, place) :]
        length = attribution(lines, place)
        if length:
            return answered(lines, place, place + length)
    return trailing(lines)


def forwarded_next(lines: list[str], place: int) -> bool:
    """Whether what is marked as history turns out to be handed on."""
    return any(len(line) <= LONGEST_LINE and FORWARDED.fullmatch(line) for line in lines[place : place + 4])


def before(lines: list[str], place: int) -> int:
    """Where the quotation begins: a rule above it is part of it."""
    while place > 0 and (not lines[place - 1].strip() or lines[place - 1] == HISTORY):
        place -= 1
    return place - 1 if place > 0 and RULE.fullmatch(lines[place - 1][:LONGEST_LINE]) else place


def header_block(lines: list[str], place: int) -> bool:
    """Whether the headers of another mail begin here, as Outlook writes them: who, when, and to whom or what about."""
    if not FROM.match(lines[place].lstrip()[:LONGEST_LINE]):
        return False
    after = [line.lstrip()[:LONGEST_LINE] for line in lines[place + 1 : place + 9] if line.strip()][:5]
    return any(DATED.match(line) for line in after) and any(OTHERS.match(line) for line in after)


def attribution(lines: list[str], place: int) -> int:
    """How many lines from here on name what is quoted behind them: one, or up to three where it was wrapped; else 0."""
    if not lines[place].strip() or lines[place].startswith(">"):
        return 0
    joined = ""
    for length in (1, 2, 3):
        if place + length > len(lines):
            return 0
        line = lines[place + length - 1].strip()
        joined = f"{joined} {line}".strip()
        if not line or len(joined) > LONGEST_LINE:
            return 0
        if not line.endswith((":", "：")):
            continue
        quoting = quotes_next(lines, place + length)
        if (telling(joined) or quoting) and any(each.fullmatch(joined) for each in REPLIED):
            return length
        # A language that we do not know: an address, and a colon at the end, before what is quoted.
        if "@" in joined and quoting:
            return length
    return 0


def heading(lines: list[str], place: int) -> int:
    """Where the quotation itself begins, behind the mark of a mail program: after the line that names it, if there is one."""
    while place < len(lines) and (not lines[place].strip() or lines[place] == HISTORY):
        place += 1
    return place + attribution(lines, place) if place < len(lines) else place


def telling(line: str) -> bool:
    """Whether such a line names a day or an address, as a program does and a person seldom."""
    return "@" in line or DATE.search(line) is not None


def quotes_next(lines: list[str], place: int) -> bool:
    """Whether the next line that says something is quoted."""
    following = next((line for line in lines[place : place + 5] if line.strip() and line != HISTORY), "")
    return following.startswith(">")


def answered(lines: list[str], place: int, after: int) -> tuple[list[str], list[str]]:
    """A quotation with its heading: all that follows, unless it is quoted with `>` and answered below or in between."""
    if not quotes_next(lines, after):
        return lines[: before(lines, place)], lines[before(lines, place) :]
    end = after
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith(">") or lines[end] == HISTORY):
        end += 1
    below = lines[end:]
    if not any(line.strip() for line in below):
        return lines[: before(lines, place)], lines[before(lines, place) :]
    if any(line.startswith(">") for line in below):
        # Answered point by point: what is quoted says what each answer is about.
        own, quoted = trailing(below)
        return lines[:end] + own, quoted
    return [*lines[:place], *below], lines[place:end]


def trailing(lines: list[str]) -> tuple[list[str], list[str]]:
    """Quoted lines at the end."""
    place = len(lines)
    while place > 0 and (not lines[place - 1].strip() or lines[place - 1].startswith(">")):
        place -= 1
    quoted = lines[place:]
    return (lines[:place], quoted) if any(line.strip() for line in quoted) else (lines, [])
