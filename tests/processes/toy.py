"""A whole kind of process in one file, the smallest example there is: a jar of coins with a bell and a toll."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import AwareDatetime, Field, TypeAdapter
    from sqlalchemy import text

    from activities.decisions import Area, decided
    from db.bookkeeping import History
    from db.decisions import Database, OpenDecision
    from db.statements import Bound, Statement
    from db.tables.metadata import METADATA
    from db.tables.processes import history_table
    from domain.process import (
        Change,
        Command,
        Conflict,
        Deadline,
        DeadlineState,
        Decision,
        Effect,
        Frozen,
        Notice,
        Settlement,
        Wake,
    )
    from domain.protocol import CREATE_UPDATE, Ended, Message, Outcome, Receipt, Request, Start
    from workflows.process import Process

SCHEMA = """
create table jar_history (like ticket_history including all);
create table jars (
    id uuid primary key references processes (id), tenant_id uuid not null, coins int not null, gifts int not null default 0
);
grant select, insert, update on jar_history, jars to summit_app;
"""
"""What a migration would bring."""


class Jar(Frozen):
    """A jar: how much is in it, when its bell rings, and how often it has."""

    coins: int = 0
    bell_at: AwareDatetime | None = None
    rings: int = 0
    tolls: bool = False


class MakeJar(Command):
    """A new jar, with a bell to ring after so many minutes, and whether that tolls."""

    type: Literal["create"] = "create"
    coins: int = 0
    bell_after: int | None = None
    tolls: bool = False


class Put(Command):
    """Put coins in or take them out; some may go to another jar; each toll is an effect."""

    type: Literal["put"] = "put"
    coins: int
    into: UUID | None = None
    tolls: int = 0
    broken: bool = False
    smash: bool = False


JarCommand = Annotated[MakeJar | Put | Wake, Field(discriminator="type")]


class NotEnough(Conflict):
    """The jar holds less than was asked for."""


@dataclass
class Weather:
    """What goes wrong: while `broken`, every rule is."""

    broken: bool = False


@dataclass
class Bench:
    """The rule, and what is wrong with it at the moment."""

    weather: Weather = field(default_factory=Weather)

    def rule(self, opened: OpenDecision) -> Decision[Jar]:
        """What a command does to a jar."""
        command, now = opened.request.command, opened.now
        if self.weather.broken or getattr(command, "broken", False):
            raise ZeroDivisionError("a bug in a rule")
        jar = Jar.model_validate(opened.snapshot.state) if opened.snapshot.state else Jar()
        before = jar
        settled, notices, effects = [], [], []
        if isinstance(command, MakeJar):
            rings_at = now + timedelta(minutes=command.bell_after) if command.bell_after else None
            jar = Jar(coins=command.coins, bell_at=rings_at, tolls=command.tolls)
            if command.coins < 0:
                raise NotEnough("A jar does not begin with debts.")
        if isinstance(command, Put):
            jar = jar.model_copy(update={"coins": jar.coins + command.coins})
            effects = [Effect(workflow="toll", argument={"n": n}) for n in range(command.tolls)]
            if jar.coins < 0:
                raise NotEnough("There are not enough coins.", coins=before.coins)
        if jar.bell_at and jar.bell_at <= now:
            kind, cycle, at = "BELL", jar.rings + 1, jar.bell_at
            settled.append(Settlement(kind=kind, cycle=cycle, state=DeadlineState.FIRED, settled_at=at))
            notices.append(Notice(template="bell", recipient="keeper@jar.example", rung=f"BELL/{cycle}"))
            effects += [Effect(workflow="toll", argument={"ring": cycle})] * jar.tolls
            jar = jar.model_copy(update={"bell_at": None, "rings": cycle})
        bell = (Deadline(kind="BELL", cycle=jar.rings + 1, due_at=jar.bell_at),) if jar.bell_at else ()
        return Decision(
            state=jar,
            deadlines=bell,
            settled=tuple(settled),
            notices=tuple(notices),
            effects=tuple(effects),
            changes={"coins": Change(before=before.coins, after=jar.coins)} if jar.coins != before.coins else {},
            final=getattr(command, "smash", False),
            answer={"coins": jar.coins},
            details=f"{jar.coins} coins",
        )


KEEP = Statement(
    text(
        "insert into jars (id, tenant_id, coins) values (:jar, :tenant, :coins) on conflict (id) do update set coins = :coins"
    )
)
GIVE = Statement(text("update jars set gifts = gifts + 1 where id = :jar"))


def project(opened: OpenDecision, decision: Decision[Jar]) -> list[Bound]:
    """The jar's row, and the gift in the other's."""
    request = opened.request
    into = getattr(request.command, "into", None)
    given = [Bound(GIVE, {"jar": into})] if into else []
    return [
        Bound(KEEP, {"jar": request.process_id, "tenant": request.tenant_id, "coins": decision.state.coins}),
        *given,
    ]


def touches(request: Request[Any]) -> list[UUID]:
    """The other jar."""
    into = getattr(request.command, "into", None)
    return [into] if into else []


def jar_history() -> History:
    """The history's statements; its table stays out of the metadata that migrations are compared with."""
    table = history_table("jar_history")
    METADATA.remove(table)
    return History(table)


@dataclass(frozen=True)
class JarActivities:
    """What decides on jars."""

    database: Database
    bench: Bench
    history: History

    @activity.defn
    async def decide_jar(self, request: Request[JarCommand]) -> Outcome:
        """Decide one input of a jar. Safe to repeat: the command id is looked up before anything is judged."""
        commands: TypeAdapter[Any] = TypeAdapter(JarCommand)
        area = Area("jar", Jar, commands, self.history, self.bench.rule, project, touches=touches)
        return await decided(self.database, area, request)


@workflow.defn(name="jar")
class JarWorkflow(Process):
    """One jar, until it is smashed."""

    kind = "jar"
    decision = JarActivities.decide_jar

    @workflow.init
    def __init__(self, start: Start[MakeJar]) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: Start[MakeJar]) -> Ended:
        """Live until smashed."""
        return await self.live()

    @workflow.update(name=CREATE_UPDATE)
    async def create(self) -> Receipt:
        """Wait for the outcome of the creating command."""
        return await self.created()

    @workflow.update
    async def put(self, message: Message[Put]) -> Receipt:
        """Put coins in, or take them out."""
        return await self.handle(message)

    @put.validator
    def validate_put(self, message: Message[Put]) -> None:
        self.admit(message)


@workflow.defn(name="toll")
class TollWorkflow:
    """An effect that takes as long as somebody wants."""

    def __init__(self) -> None:
        self._over = False

    @workflow.run
    async def run(self, argument: dict[str, Any]) -> dict[str, Any]:
        """Toll until told that it is over."""
        await workflow.wait_condition(lambda: self._over)
        return argument

    @workflow.signal
    def over(self) -> None:
        """Stop."""
        self._over = True
