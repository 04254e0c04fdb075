"""Zendesk's export: users, organizations, groups, ticket fields and tickets with their comments, as its JSON export and API write them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from cli.imports import zendesk_fields as words
from cli.imports.json_files import BadLine, files, has_pages, objects
from cli.imports.model import (
    Account,
    Bad,
    Findings,
    LeftOut,
    OldTicket,
    Person,
    Said,
    Team,
    Tickets,
    Unreadable,
    in_one_line,
)
from cli.imports.shelf import Shelf
from domain.customers import domain_name, time_zones
from domain.identity import Role

NAMES: Final = {
    "key": "id",
    "customer_email": "requester_id",
    "cc": "collaborator_ids",
    "author_name": "author_id",
    "at": "created_at",
}
"""What fields of ours are called there, where that differs."""

STAFF: Final = frozenset({"agent", "admin"})
SYSTEM_AUTHOR: Final = "-1"


class Zendesk:
    """One export: a directory, or the file of its tickets with the others beside it."""

    def __init__(self, path: Path, prefix: str) -> None:
        self._prefix = prefix
        self._bad: list[Bad] = []
        self._people: dict[str, Person] = {}
        self._known: dict[str, Mapping[str, Any]] = {}
        self._refused: dict[str, str] = {}
        self._accounts: dict[str, Account] = {}
        self._teams: dict[str, Team] = {}
        self._shelf = Shelf()
        self._tickets_seen: set[str] = set()
        directory = path if path.is_dir() else path.parent
        self._tickets = files(path, "tickets") if path.is_dir() else [path]
        if not self._tickets:
            raise Unreadable(f"{path}: there is no tickets.json")
        self._pages = [each for each in self._tickets if has_pages(each)]
        for each in self._all(directory, "organizations"):
            self._organization(*each)
        for each in self._all(directory, "groups"):
            self._group(*each)
        for each in self._all(directory, "users"):
            self._user(*each)
        defined = [raw for _, raw in self._all(directory, "ticket_fields")]
        self._fields = words.slugs(defined)
        self._titles = words.titles(defined, self._fields)
        self._shown = words.shown(defined, self._fields)
        self._staff_fields: dict[str, str] = {}
        self._metrics = {
            str(raw.get("ticket_id")): raw for _, raw in self._all(directory, "metric_sets", "ticket_metrics")
        }
        self._shelf.fill(self._loose_comments(directory))

    def accounts(self) -> Sequence[Account]:
        """Organizations, also those that only tickets name."""
        return list(self._accounts.values())

    def teams(self) -> Sequence[Team]:
        """Groups, also those that only tickets name."""
        return list(self._teams.values())

    def people(self) -> Sequence[Person]:
        """Users with an address, also those that only tickets name."""
        return list(self._people.values())

    def staff_fields(self) -> Mapping[str, str]:
        """Those that the portal does not show, and what has no place of its own here."""
        return self._staff_fields

    def bad(self) -> Sequence[Bad]:
        """Users, organizations and groups that cannot be taken, and comments of no ticket."""
        lost = [
            Bad("comment", ticket, where, [("ticket_id", f"there is no ticket {ticket} in the export")])
            for ticket, where in self._shelf.strangers(self._tickets_seen)
        ]
        return [*self._bad, *lost]

    def tickets(self) -> Tickets:
        """Tickets, in the order of the files."""
        for path in self._tickets:
            for where, raw in objects(path, "tickets"):
                if isinstance(raw, BadLine):
                    yield where, Bad("ticket", "", where, [("", raw.detail)])
                else:
                    yield where, self._ticket(where, raw)

    def _all(self, directory: Path, *names: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every object of a kind, from files of its own and from pages that hold tickets too."""
        own = [path for path in files(directory, *names) if path not in self._tickets]
        for where, raw in (each for path in own for each in objects(path, *names)):
            if isinstance(raw, BadLine):
                self._bad.append(Bad(names[0].removesuffix("s"), "", where, [("", raw.detail)]))
            else:
                yield where, raw
        for where, raw in (each for path in self._pages for each in objects(path, *names)):
            if not isinstance(raw, BadLine):
                yield where, raw

    def _loose_comments(self, directory: Path) -> Iterator[tuple[str, str, Any]]:
        for where, raw in self._all(directory, "comments", "ticket_comments"):
            several = raw.get("comments")
            ticket = str(raw.get("ticket_id"))
            for each in several if isinstance(several, list) else [raw]:
                yield ticket, where, each

    def _organization(self, where: str, raw: Mapping[str, Any]) -> None:
        wrong, domains = Findings(), []
        for name in raw.get("domain_names") or ():
            try:
                domains.append(domain_name(str(name)))
            except ValueError as error:
                wrong.note("domain_names", f"{name} {error}; the account is made without it")
        try:
            found = Account(key=str(raw.get("id")), name=raw.get("name"), domains=tuple(dict.fromkeys(domains)))
            self._accounts[found.key] = found
        except ValidationError as error:
            wrong.take(error, NAMES)
        self._note("organization", raw, where, wrong)

    def _group(self, where: str, raw: Mapping[str, Any]) -> None:
        wrong = Findings()
        try:
            found = Team(key=str(raw.get("id")), name=raw.get("name"))
            self._teams[found.key] = found
        except ValidationError as error:
            wrong.take(error, NAMES)
        self._note("group", raw, where, wrong)

    def _user(self, where: str, raw: Mapping[str, Any]) -> None:
        """Take a user; one without an address is known by name only."""
        key, wrong = str(raw.get("id")), Findings()
        self._known[key] = raw
        if not raw.get("email"):
            return
        zone = raw.get("iana_time_zone")
        try:
            self._people[key] = Person(
                key=key,
                email=str(raw["email"]).strip(),
                name=name_of(raw),
                staff=raw.get("role") in STAFF,
                active=raw.get("active") is not False and not raw.get("suspended"),
                account=str(raw["organization_id"]) if raw.get("organization_id") else None,
                time_zone=zone if zone in time_zones() else "UTC",
            )
        except ValidationError as error:
            wrong.take(error, NAMES)
            self._refused[key] = "; ".join(f"{name}: {detail}" for name, detail in wrong.errors)
        self._note("user", raw, where, wrong)

    def _note(self, kind: str, raw: Mapping[str, Any], where: str, wrong: Findings) -> None:
        if wrong.errors:
            self._bad.append(Bad(kind, str(raw.get("id")), where, wrong.errors))

    def _meet(self, where: str, raw: Mapping[str, Any]) -> None:
        """Take note of whom a ticket carries within itself, as the JSON export does."""
        inner = [raw.get(name) for name in ("requester", "submitter", "assignee")]
        people = [*inner, *(raw.get("collaborator") or ())]
        for each in people:
            if isinstance(each, Mapping) and str(each.get("id")) not in self._known:
                self._user(where, each)
        for name, known, take in (
            ("organization", self._accounts, self._organization),
            ("group", self._teams, self._group),
        ):
            found = raw.get(name)
            if isinstance(found, Mapping) and found.get("name") and str(found.get("id")) not in known:
                take(where, found)

    def _ticket(self, where: str, raw: Mapping[str, Any]) -> OldTicket | Bad | LeftOut:
        key = str(raw.get("id") or "")
        self._tickets_seen.add(key)
        self._meet(where, raw)
        status = str(raw.get("status") or "").lower()
        if status == "deleted":
            return LeftOut(key, "deleted")
        wrong = Findings()
        if status not in words.STATUS:
            wrong.note("status", f"{status!r} is none of {', '.join(words.STATUS)}")
        priority = str(raw.get("priority") or "normal").lower()
        if priority not in words.PRIORITY:
            wrong.note("priority", f"{priority!r} is none of {', '.join(words.PRIORITY)}")
        requester = str(identity(raw, "requester") or "")
        description, comments = self._conversation(key, where, raw, requester, wrong)
        tags, more_tags = words.tags(raw)
        cc, more_cc = words.copies(self._addresses(raw))
        more = {"tags_more": more_tags, "cc_more": more_cc}
        locale = self._known.get(requester, {}).get("locale")
        given = {
            "key": key,
            "customer_email": self._address_of(requester, wrong),
            "subject": subject(raw, description),
            "description": description,
            "status": words.STATUS.get(status),
            "priority": words.PRIORITY.get(priority),
            "channel": words.channel(raw),
            "category": str(raw["type"]).title() if raw.get("type") else None,
            "tags": tags,
            "fields": self._fields_of(raw, requester) | {name: value for name, value in more.items() if value},
            "assignee": identity(raw, "assignee"),
            "team": identity(raw, "group"),
            "language": locale if isinstance(locale, str) and locale else None,
            "cc": cc,
            "links": words.related(raw, [each.body for each in comments]),
            "created_at": raw.get("created_at"),
            "updated_at": raw.get("updated_at"),
            "comments": comments,
            **words.ends(status, raw, raw.get("metric_set") or self._metrics.get(key) or {}),
        }
        self._note_fields_of_the_staff(given["fields"])
        try:
            found = OldTicket.model_validate({name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            said = {name for name, _ in wrong.errors}
            later = Findings()
            later.take(error, NAMES)
            wrong.errors += [each for each in later.errors if each[0] not in said]
        return Bad("ticket", key, where, wrong.errors) if wrong.errors else found

    def _fields_of(self, raw: Mapping[str, Any], requester: str) -> dict[str, Any]:
        """The custom fields, and what has no place of its own with us."""
        return words.custom(raw, self._fields) | words.extras(raw) | self._organization_of(raw, requester)

    def _note_fields_of_the_staff(self, fields: Iterable[str]) -> None:
        """What customers did not see there, they do not see here."""
        self._staff_fields |= {
            name: self._titles.get(name, name.replace("_", " ").capitalize())
            for name in fields
            if name not in self._shown
        }

    def _address_of(self, requester: str, wrong: Findings) -> str:
        """The address of who asks; a user without one gets a stand-in to which no mail is ever sent."""
        if requester in self._people:
            return self._people[requester].email
        if requester in self._refused:
            wrong.note("requester_id", f"user {requester} was refused ({self._refused[requester]})")
        elif requester not in self._known:
            wrong.note("requester_id", f"user {requester or '(none)'} is not in the export")
        return f"user-{requester or 0}@{self._prefix}.invalid"

    def _addresses(self, raw: Mapping[str, Any]) -> list[str]:
        """Who is copied in: those in copy of mails, or on older exports all who collaborate."""
        keys = raw["email_cc_ids"] if "email_cc_ids" in raw else raw.get("collaborator_ids")
        inner = [each.get("id") for each in raw.get("collaborator") or () if isinstance(each, Mapping)]
        found = (self._people.get(str(each)) for each in (keys if keys is not None else inner))
        return [person.email for person in found if person]

    def _organization_of(self, raw: Mapping[str, Any], requester: str) -> dict[str, str]:
        """The ticket's organization, where it is not that of its requester."""
        key, person = str(identity(raw, "organization") or ""), self._people.get(requester)
        own = person.account if person else None
        return {"organization": self._accounts[key].name} if key in self._accounts and key != own else {}

    def _conversation(
        self, key: str, where: str, raw: Mapping[str, Any], requester: str, wrong: Findings
    ) -> tuple[str, list[Said]]:
        """The description, and what was said beside it."""
        inner = raw.get("comments")
        found = [(where, each) for each in inner] if isinstance(inner, list) else self._shelf.of(key)
        found = [each for each in found if isinstance(each[1], Mapping)]
        found.sort(key=lambda each: str(each[1].get("created_at")))
        description, said = words.opening(raw, where, found)
        return description, list(self._said(said, requester, wrong))

    def _said(self, found: Iterable[tuple[str, Any]], requester: str, wrong: Findings) -> Iterator[Said]:
        for number, (where, raw) in enumerate(found):
            author = str(raw.get("author_id") or SYSTEM_AUTHOR)
            user = self._known.get(author)
            internal = not words.public(raw)
            staff = user.get("role") in STAFF if user else author == SYSTEM_AUTHOR or internal
            try:
                yield Said(
                    key=str(raw.get("id") or f"n{number}"),
                    body=words.with_files(words.plain(raw), raw),
                    internal=internal,
                    author=author,
                    author_name=name_of(user) if user else unknown(author),
                    author_role=Role.AGENT if staff and author != requester else Role.CUSTOMER,
                    at=raw.get("created_at"),
                )
            except ValidationError as error:
                wrong.take(error, NAMES, f"{where} comments.{raw.get('id', number)}.")


def identity(raw: Mapping[str, Any], name: str) -> str | None:
    """The id of whom a ticket names, be it as an id or as an object."""
    inner = raw.get(name)
    found = raw.get(f"{name}_id") or (inner.get("id") if isinstance(inner, Mapping) else None)
    return str(found) if found else None


def name_of(user: Mapping[str, Any]) -> str:
    """What somebody is called; those without a name by their address."""
    name = in_one_line(user.get("name")) or str(user.get("email") or "").partition("@")[0] or f"User {user.get('id')}"
    return str(name)[:200]


def unknown(author: str) -> str:
    """What is put for an author whom the export does not have."""
    return "Zendesk" if author == SYSTEM_AUTHOR else f"Zendesk user {author}"


def subject(raw: Mapping[str, Any], description: str) -> str:
    """The ticket's subject; tickets from chats and calls may have none."""
    said = in_one_line(raw.get("subject") or raw.get("raw_subject"))
    return str(said or in_one_line(description)[:150] or "(no subject)")
