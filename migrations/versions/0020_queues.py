"""Skills without case, as they are written from now on; the teams in whose queues somebody waits; jobs that ended, by when."""

from alembic import op
from sqlalchemy import text

from migrations.rls import exempt

revision = "0020_queues"
down_revision = "0019_webhook_secrets"
branch_labels = None
depends_on = None

# Who of them has room is asked under the rules of each tenant. `queue_drains` of 0012 is the release's before.
WAITING_TEAMS = """returns table (tenant_id uuid, team_id uuid) language sql stable as $$
    select t.tenant_id, t.id from teams t
    where exists (
        select from support_tickets s
        where s.team_id = t.id and s.assignee_id is null and s.route is not null
          and s.status not in ('RESOLVED','CLOSED','CANCELLED') and s.route ->> 'method' <> 'MANUAL')
$$"""

PRUNE_JOBS = "prune_jobs(before timestamptz, most integer)"
# The dispatcher: drop jobs that ended before `before`, and those that nobody asked for a day after they were done. One of those that
# has failed is something that a customer lost.
PRUNE = """returns integer language sql volatile as $$
    with old as (
        select j.id from jobs j
        where j.state in ('DONE', 'FAILED') and j.updated_at < greatest(before, now() - interval '1 day')
          and (j.updated_at < before or j.state = 'DONE' and j.kind in ('ABSORB', 'DRAIN'))
        order by j.updated_at limit most for update skip locked
    ), gone as (delete from jobs j using old o where j.id = o.id returning 1)
    select count(*)::integer from gone
$$"""
PRUNE_BEFORE = """returns integer language sql volatile as $$
    with old as (
        select j.id from jobs j
        where j.state in ('DONE', 'FAILED') and (
            j.updated_at < before or j.kind in ('ABSORB', 'DRAIN') and j.updated_at < now() - interval '1 day')
        limit most
    ), gone as (delete from jobs j using old o where j.id = o.id returning 1)
    select count(*)::integer from gone
$$"""


# Of those who wait, the ones that the database would not find: it folds ASCII as Python does, but neither ß nor final sigmas.
WAITING = """select id, array(select jsonb_array_elements_text(route -> 'skills')) as skills from support_tickets
    where assignee_id is null and route is not null and status not in ('RESOLVED','CLOSED','CANCELLED')
      and route ->> 'skills' ~ '[^\\x01-\\x7f]'"""
FOLDED = {
    "select id, skills from users where skills <> '{}'": "update users set skills = :new where id = :id and skills = :old",
    "select id, skills from routing_rules where skills <> '{}'": "update routing_rules set skills = :new where id = :id and skills = :old",
    WAITING: """update support_tickets set route = jsonb_set(route, '{skills}', to_jsonb(cast(:new as text[])))
        where id = :id and route -> 'skills' = to_jsonb(cast(:old as text[]))""",
}


def fold(query: str, statement: str) -> None:
    """Fold the skills that a query finds; who has changed them meanwhile is passed by."""
    folded = [
        {"id": row.id, "old": row.skills, "new": new}
        for row in op.get_bind().execute(text(query)).all()
        if (new := list(dict.fromkeys(map(str.casefold, row.skills)))) != row.skills
    ]
    if folded:
        op.get_bind().execute(text(statement), folded)


def upgrade() -> None:
    """Make the index while jobs are written, so first of all; then the functions, and fold the skills that there are."""
    with op.get_context().autocommit_block():
        # One whose making was interrupted is there, and good for nothing.
        op.execute("drop index concurrently if exists ix_jobs_ended")
        op.execute("create index concurrently ix_jobs_ended on jobs (updated_at) where state in ('DONE','FAILED')")
    exempt("waiting_teams()", WAITING_TEAMS)
    op.execute("drop function prune_jobs(timestamptz, integer)")
    exempt(PRUNE_JOBS, PRUNE)
    for query, statement in FOLDED.items():
        fold(query, statement)


def downgrade() -> None:
    """Put the functions back; folded skills mean the same to the release before."""
    op.execute("drop function waiting_teams()")
    op.execute("drop function prune_jobs(timestamptz, integer)")
    exempt(PRUNE_JOBS, PRUNE_BEFORE)
    op.execute("drop index ix_jobs_ended")
