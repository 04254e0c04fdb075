"""The kinds of jobs that the API runs, each with its handler.

A new kind is an async generator `(Job) -> AsyncGenerator[Page, None]`, named here under the name that its jobs carry. It reads
`job.input`, goes on behind `job.cursor`, counting on from `job.done`, and yields a Page after each portion of work: what was
yielded is written down, and never done again, also after kill -9. A portion that was not yielded yet is done again, so give the
work ids that make a repeat harmless (a command id made of the job's id and the item's). Items that fail go into
`Page.failures`; `JobFailed` ends the whole job with a reason, and an error of a server that is away repeats the portion later.
How many items of a portion are done at once is the handler's business. A route asks for a job with `api.jobs.accept`.
"""

from api import simulations
from api.bulk import BULK, Bulk
from api.merging import ABSORB
from api.queues import DRAIN, Queues
from api.services import Services
from api.sla.reapplication import REAPPLY, RECOUNT, Reapplication
from domain.jobs import Kinds


def job_kinds(services: Services) -> Kinds:
    """The kinds that this process runs, bound to what they work with."""
    open_tickets = Reapplication(services.engine, services.processes)
    kinds: Kinds = {
        simulations.KIND: simulations.Simulations(services.settings).run,
        REAPPLY: open_tickets.reapply,
        RECOUNT: open_tickets.recount,
        BULK: Bulk(services.processes).run,
        ABSORB: services.desk.merging.absorb,
        DRAIN: Queues(services.engine, services.processes).drain,
    }
    chosen = services.settings.job_kinds.split(",") if services.settings.job_kinds else kinds.keys()
    return {kind: handler for kind, handler in kinds.items() if kind in chosen}
