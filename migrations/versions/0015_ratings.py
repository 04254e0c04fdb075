"""What customers thought of how their tickets were resolved."""

from alembic import op

from migrations.rls import protect

revision = "0015_ratings"
down_revision = "0014_desk_records"
branch_labels = None
depends_on = None

TABLE = """
create table ticket_ratings (
    id uuid default gen_random_uuid() not null,
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    ticket_id uuid not null,
    resolution integer not null,
    score smallint not null,
    comment text,
    rated_by uuid,
    rated_by_name text not null,
    assignee_id uuid,
    team_id uuid,
    at timestamp with time zone default clock_timestamp() not null,
    constraint pk_ticket_ratings primary key (id),
    constraint uq_ticket_ratings_ticket_id_resolution unique (ticket_id, resolution),
    constraint fk_ticket_ratings_tenant_id_ticket_id
        foreign key (tenant_id, ticket_id) references support_tickets (tenant_id, id) on delete cascade,
    constraint ck_ticket_ratings_score check (score between 1 and 5),
    constraint ck_ticket_ratings_resolution check (resolution >= 1),
    constraint fk_ticket_ratings_tenant_id foreign key (tenant_id) references tenants (id)
);
create index ix_ticket_ratings_list on ticket_ratings (tenant_id, at, id);
create index ix_ticket_ratings_at on ticket_ratings (at);
"""

COUNTED = (
    "select m.name, m.label, m.upto, sum(m.count)::bigint, sum(m.sum) from measures m group by m.name, m.label, m.upto"
)
RATED = """
select 'satisfaction', '', 'infinity'::float8, count(*), coalesce(sum(r.score), 0)::float8
from ticket_ratings r where r.at > now() - interval '30 days'
"""

# Grants stay with a function that is replaced.
ALL_MEASURES = """
create or replace function all_measures()
returns table (name text, label text, upto double precision, count bigint, sum double precision)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$ {body} $$
"""


def upgrade() -> None:
    """Create the table protected, and have the measures tell of it."""
    op.execute(TABLE)
    # Ratings are never changed.
    protect("ticket_ratings", grants="select, insert")
    op.execute(ALL_MEASURES.format(body=f"{COUNTED} union all {RATED}"))


def downgrade() -> None:
    """Take both away again."""
    op.execute(ALL_MEASURES.format(body=COUNTED))
    op.execute("drop table ticket_ratings")
