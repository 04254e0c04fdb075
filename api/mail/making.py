"""Puts together what takes mail in, for one API process."""

from prometheus_client import CollectorRegistry

from api.mail.clerk import Clerk
from api.mail.files import MailFiles
from api.mail.filing import Filing
from api.mail.intake import Intake, MailCounts
from api.mail.receiving import Receiving
from api.mail.server import Door, Listener
from api.services import Services
from runtime.settings import Settings


def make_intake(services: Services, registry: CollectorRegistry) -> Intake:
    """What makes tickets of mails; every API process has one."""
    settings, engine = services.settings, services.engine
    files = MailFiles(engine, services.blobs, settings.max_file_bytes)
    return Intake(
        engine,
        services.receiving,
        Clerk(settings.mail_authserv),
        Filing(services.processes, engine, services.desk.merging, files),
        MailCounts(registry),
        settings.mail_interval_seconds,
    )


def make_listener(settings: Settings, receiving: Receiving) -> Listener | None:
    """What other mail servers hand mail to; None where none is wanted."""
    if not settings.mail_listen:
        return None
    host, _, port = settings.mail_listen.rpartition(":")
    door = Door(receiving, lmtp=settings.mail_protocol == "lmtp")
    # Never the machine's own name, which finding out may take a look-up of minutes.
    name = settings.mail_from.rpartition("@")[2]
    return Listener(host.strip("[]"), int(port), door, settings.mail_max_bytes, name)
