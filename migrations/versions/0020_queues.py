"""Skills without case, as they are written from now on, and the teams in whose queues somebody waits."""

from alembic import op
from sqlalchemy import text

from migrations.rls import exempt

revision = "0020_queues"
down_revision = "0018_desk_indexes"
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


def fold(table: str) -> None:
    """Fold the skills of a table's rows as Python does: `lower` of the database knows neither ß nor final sigmas."""
    rows = op.get_bind().execute(text(f"select id, skills from {table} where skills <> '{{}}'")).all()
    folded = [
        {"id": row.id, "old": row.skills, "new": new}
        for row in rows
        if (new := list(dict.fromkeys(map(str.casefold, row.skills)))) != row.skills
    ]
    if folded:
        # Who has changed them meanwhile is passed by.
        op.get_bind().execute(text(f"update {table} set skills = :new where id = :id and skills = :old"), folded)


def upgrade() -> None:
    """Add the function, and fold the skills that there are."""
    exempt("waiting_teams()", WAITING_TEAMS)
    for table in ("users", "routing_rules"):
        fold(table)


def downgrade() -> None:
    """Drop the function; folded skills mean the same to the release before."""
    op.execute("drop function waiting_teams()")
