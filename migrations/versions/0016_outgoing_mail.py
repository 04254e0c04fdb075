"""Mail out: the mails of a ticket's conversation, addresses that take none, wordings of a tenant's own, and all facts of a mail."""

from alembic import op

from migrations.rls import exempt, protect

revision = "0016_outgoing_mail"
down_revision = "0015_ratings"
branch_labels = None
depends_on = None

TABLES = """
create table mail_threads (
    id uuid default gen_random_uuid() not null,
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    ticket_id uuid not null,
    message_id text not null,
    address text not null,
    subject text,
    at timestamp with time zone not null,
    constraint pk_mail_threads primary key (id),
    constraint uq_mail_threads_ticket_id_message_id unique (ticket_id, message_id),
    constraint fk_mail_threads_tenant_id_ticket_id foreign key(tenant_id, ticket_id) references support_tickets (tenant_id, id) on delete cascade,
    constraint ck_mail_threads_lower check (address = lower(address)),
    constraint fk_mail_threads_tenant_id foreign key(tenant_id) references tenants (id)
);
create table mail_suppressions (
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    address text not null,
    reason text not null,
    status text,
    created_at timestamp with time zone default now() not null,
    constraint pk_mail_suppressions primary key (tenant_id, address),
    constraint ck_mail_suppressions_lower check (address = lower(address)),
    constraint fk_mail_suppressions_tenant_id foreign key(tenant_id) references tenants (id)
);
create index ix_mail_suppressions_created on mail_suppressions (tenant_id, created_at, address);
create table mail_refusals (
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    address text not null,
    notification_id uuid not null,
    at timestamp with time zone default now() not null,
    constraint pk_mail_refusals primary key (tenant_id, address, notification_id),
    constraint fk_mail_refusals_tenant_id foreign key(tenant_id) references tenants (id)
);
create table mail_templates (
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    name text not null,
    subject text,
    text text,
    updated_at timestamp with time zone default now() not null,
    constraint pk_mail_templates primary key (tenant_id, name),
    constraint ck_mail_templates_something check (subject is not null or text is not null),
    constraint fk_mail_templates_tenant_id foreign key(tenant_id) references tenants (id)
);
alter table tenants add column mail_revision bigint default 0 not null;
comment on column tenants.mail_revision is 'Moves when a wording of its mails has changed.';
"""
OWNED_TABLES = ("mail_threads", "mail_suppressions", "mail_refusals", "mail_templates")

LAST_MAIL_OF = "last_mail_of(ticket uuid, wanted text)"
LAST_MAIL_OF_BODY = """
returns table (answers text, topic text, known text[])
language sql stable as $$
    select a.theirs[cardinality(a.theirs)], a.subjects[cardinality(a.subjects)],
        case when cardinality(a.ids) <= 20 then a.ids else a.ids[1 : 10] || a.ids[cardinality(a.ids) - 9 : cardinality(a.ids)] end
    from (
        select array_agg(m.message_id order by m.at, m.id) as ids,
            array_agg(m.message_id order by m.at, m.id) filter (where m.address = wanted) as theirs,
            array_agg(m.subject order by m.at, m.id) filter (where m.address = wanted) as subjects
        from mail_threads m where m.ticket_id = ticket
    ) a
    where a.ids is not null
$$
"""
"""What mail to an address about a ticket answers: the last that came from there, its subject, and the whole conversation."""


def as_uuid(text: str) -> str:
    """An expression for `text` as an id; null where it is none, so that one odd row does not spoil a whole batch."""
    return f"case when {text} ~* '^[0-9a-f]{{8}}-?([0-9a-f]{{4}}-?){{3}}[0-9a-f]{{12}}$' then ({text})::uuid end"


FACTS = "notification_facts(ids uuid[], direct text[], since timestamptz)"

# The dispatcher: what these rows of the outbox are about, each read in its own tenant only. For mail also from which mailbox it
# goes, what it answers, what keeps it from being sent, and which files an answer carries; for mail to the staff how many went
# out to the person since then, and how many wait that are not `direct`.
FACTS_BODY = f"""
returns table (id uuid, tenant text, ticket_id uuid, team_id uuid, number bigint, subject text, status text, severity text,
    priority text, comment text, author text, internal boolean, user_id uuid, email text, name text, role text, active boolean,
    preferences jsonb, recent bigint, first_recent timestamptz, waiting bigint, slug text, wordings bigint, mail_key bytea,
    by_hand boolean, time_zone text, mailbox text, mailbox_name text, suppressed text, answers text, topic text, known text[],
    files jsonb)
language sql stable as $$
    select n.id, o.name, t.id, t.team_id, t.number, t.subject, t.status, t.severity, t.priority,
        c.body, c.author_name, c.internal, u.id, u.email, u.name, u.role, u.active, u.preferences, f.recent, f.first_recent, f.waiting,
        o.slug, o.mail_revision, o.mail_key, c.author_id is not null and c.author_role <> 'CUSTOMER' and not c.automatic,
        a.time_zone, b.address, b.name, s.reason, l.answers, l.topic, l.known, g.files
    from notifications n
    join tenants o on o.id = n.tenant_id
    left join support_tickets t on t.id = n.process_id and t.tenant_id = n.tenant_id
    left join ticket_comments c on c.ticket_id = t.id and c.tenant_id = n.tenant_id
        and c.id = {as_uuid("n.payload ->> 'commentId'")}
    left join users u on u.tenant_id = n.tenant_id and u.id = {as_uuid("n.recipient")}
    left join customer_accounts a on a.id = t.account_id and a.tenant_id = n.tenant_id
    left join lateral (
        select count(*) filter (where m.delivered_at > since) as recent,
            min(m.delivered_at) filter (where m.delivered_at > since) as first_recent,
            count(*) filter (where m.delivered_at is null and m.template <> all (direct)) as waiting
        from notifications m
        where n.channel = 'EMAIL' and u.role <> 'CUSTOMER' and n.template <> all (direct)
          and m.tenant_id = n.tenant_id and m.channel = 'EMAIL' and m.recipient = n.recipient
          and m.dead_at is null and m.digest_id is null and m.created_at > since - interval '2 days'
    ) f on true
    left join lateral (
        select m.address, m.name from mailboxes m
        where n.channel = 'EMAIL' and m.tenant_id = n.tenant_id and m.active and (m.id = t.mailbox_id or m.is_default)
        order by m.id = t.mailbox_id desc nulls last limit 1
    ) b on true
    left join mail_suppressions s on n.channel = 'EMAIL' and s.tenant_id = n.tenant_id and s.address = lower(coalesce(u.email, n.recipient))
    left join lateral last_mail_of(case when n.channel = 'EMAIL' then t.id end, lower(coalesce(u.email, n.recipient))) l on true
    left join lateral (
        select jsonb_agg(jsonb_build_object('id', x.id, 'name', x.file_name, 'type', x.content_type, 'size', x.size, 'sha256', x.sha256)
            order by x.created_at, x.id) as files
        from ticket_attachments y join attachments x on x.id = y.attachment_id and x.tenant_id = y.tenant_id
        where n.channel = 'EMAIL' and n.template = 'ticket_reply' and not y.internal
          and y.ticket_id = t.id and y.comment_id = c.id and y.tenant_id = n.tenant_id
    ) g on true
    where n.id = any (ids)
$$
"""


def upgrade() -> None:
    """Create the tables, protect each, and read more facts; what the release before asks of them is still there."""
    op.execute(TABLES)
    for table in OWNED_TABLES:
        protect(table)
    op.execute(f"create function {LAST_MAIL_OF} {LAST_MAIL_OF_BODY}")
    op.execute(f"drop function {FACTS}")
    exempt(FACTS, FACTS_BODY)


def downgrade() -> None:
    """Take it all away again."""
    from importlib import import_module

    op.execute(f"drop function {FACTS}")
    exempt(FACTS, import_module("migrations.versions.0011_notify").FUNCTIONS[FACTS])
    op.execute(f"drop function {LAST_MAIL_OF}")
    op.execute(f"drop table {', '.join(OWNED_TABLES)}")
    op.execute("alter table tenants drop column mail_revision")
