"""A ticket's life: its messages. Everything durable is in Process."""

from temporalio import workflow

from workflows.process import Process

with workflow.unsafe.imports_passed_through():
    from activities.tickets import TicketActivities
    from domain.protocol import CREATE_UPDATE, Ended, Message, Receipt, Start
    from domain.tickets.commands import (
        Absorb,
        AddComment,
        AdjustClock,
        ApplyMacro,
        Assign,
        ChangeTicket,
        CreateTicket,
        ImportComments,
        ImportTicket,
        Merge,
        Reapply,
        Relate,
    )


@workflow.defn(name="ticket")
class TicketWorkflow(Process):
    """One ticket, from its creation to CLOSED or CANCELLED."""

    kind = "ticket"
    decision = TicketActivities.decide_ticket

    @workflow.init
    def __init__(self, start: Start[CreateTicket | ImportTicket]) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: Start[CreateTicket | ImportTicket]) -> Ended:
        """Live until the ticket is final."""
        return await self.live()

    @workflow.update(name=CREATE_UPDATE)
    async def create(self) -> Receipt:
        """Wait for the outcome of the creating command."""
        return await self.created()

    @workflow.update
    async def change(self, message: Message[ChangeTicket]) -> Receipt:
        """Change fields, assignment or status."""
        return await self.handle(message)

    @workflow.update
    async def comment(self, message: Message[AddComment]) -> Receipt:
        """Add a comment, and move the ticket with it if asked."""
        return await self.handle(message)

    @workflow.update
    async def import_comments(self, message: Message[ImportComments]) -> Receipt:
        """Take over more of what was said on an imported ticket."""
        return await self.handle(message)

    @workflow.update
    async def clock(self, message: Message[AdjustClock]) -> Receipt:
        """Pause, resume or waive a clock by hand."""
        return await self.handle(message)

    @workflow.update
    async def reapply(self, message: Message[Reapply]) -> Receipt:
        """Put the open clocks on today's definitions."""
        return await self.handle(message)

    @workflow.update
    async def macro(self, message: Message[ApplyMacro]) -> Receipt:
        """Do what a macro says."""
        return await self.handle(message)

    @workflow.update
    async def merge(self, message: Message[Merge]) -> Receipt:
        """Close the ticket as one with another."""
        return await self.handle(message)

    @workflow.update
    async def absorb(self, message: Message[Absorb]) -> Receipt:
        """Take over what a merged ticket leaves."""
        return await self.handle(message)

    @workflow.update
    async def relate(self, message: Message[Relate]) -> Receipt:
        """Link, watch or copy somebody in."""
        return await self.handle(message)

    @workflow.update
    async def assign(self, message: Message[Assign]) -> Receipt:
        """Find the ticket somebody in its team's queue."""
        return await self.handle(message)

    @change.validator
    def validate_change(self, message: Message[ChangeTicket]) -> None:
        self.admit(message)

    @comment.validator
    def validate_comment(self, message: Message[AddComment]) -> None:
        self.admit(message)

    @import_comments.validator
    def validate_import_comments(self, message: Message[ImportComments]) -> None:
        self.admit(message)

    @clock.validator
    def validate_clock(self, message: Message[AdjustClock]) -> None:
        self.admit(message)

    @reapply.validator
    def validate_reapply(self, message: Message[Reapply]) -> None:
        self.admit(message)

    @macro.validator
    def validate_macro(self, message: Message[ApplyMacro]) -> None:
        self.admit(message)

    @merge.validator
    def validate_merge(self, message: Message[Merge]) -> None:
        self.admit(message)

    @absorb.validator
    def validate_absorb(self, message: Message[Absorb]) -> None:
        self.admit(message)

    @relate.validator
    def validate_relate(self, message: Message[Relate]) -> None:
        self.admit(message)

    @assign.validator
    def validate_assign(self, message: Message[Assign]) -> None:
        self.admit(message)
