"""A mail as bytes: what is the same for every attempt and every way of sending it."""

from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from notify.channel import Mail, Undeliverable

POLICY: Final = SMTP.clone(max_line_length=200)


def compose(mail: Mail) -> EmailMessage:
    """The message with text and HTML. Raises Undeliverable for an address that no header can hold."""
    domain = mail.sender.rpartition("@")[2]
    message = EmailMessage(POLICY)
    try:
        message["From"] = Address(one_line(mail.sender_name), addr_spec=mail.sender)
        message["To"] = Address(addr_spec=mail.to)
        message["Subject"] = one_line(mail.subject)
        message["Message-ID"] = f"<{mail.id}@{domain}>"
        if mail.thread:
            message["In-Reply-To"] = message["References"] = f"<{mail.thread}@{domain}>"
        # RFC 3834: no vacation notice may answer this.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
    except (MessageError, ValueError, IndexError) as error:
        raise Undeliverable("The address cannot be written to.") from error
    return message


def one_line(text: str) -> str:
    """`text` without what would begin another header."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
