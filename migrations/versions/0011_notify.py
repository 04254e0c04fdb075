"""What many messages need and how they ended, each in one statement; webhooks that keep failing; replays keep their log."""

from alembic import op

from migrations.rls import exempt

revision = "0011_notify"
down_revision = "0010_order_of_seeds"
branch_labels = None
depends_on = None


def as_uuid(text: str) -> str:
    """An expression for `text` as an id; null where it is none, so that one odd row does not spoil a whole batch."""
    return f"case when {text} ~* '^[0-9a-f]{{8}}-?([0-9a-f]{{4}}-?){{3}}[0-9a-f]{{12}}$' then ({text})::uuid end"


FUNCTIONS = {
    # The dispatcher: what these rows of the outbox are about, each read in its own tenant only. For mail to the staff also how
    # many went out to the person since then, and how many wait that are not `direct`.
    "notification_facts(ids uuid[], direct text[], since timestamptz)": f"""
    returns table (id uuid, tenant text, ticket_id uuid, team_id uuid, number bigint, subject text, status text, severity text,
        priority text, comment text, author text, internal boolean, user_id uuid, email text, name text, role text, active boolean,
        preferences jsonb, recent bigint, first_recent timestamptz, waiting bigint)
    language sql stable as $$
        select n.id, o.name, t.id, t.team_id, t.number, t.subject, t.status, t.severity, t.priority,
            c.body, c.author_name, c.internal, u.id, u.email, u.name, u.role, u.active, u.preferences, f.recent, f.first_recent, f.waiting
        from notifications n
        join tenants o on o.id = n.tenant_id
        left join support_tickets t on t.id = n.process_id and t.tenant_id = n.tenant_id
        left join ticket_comments c on c.ticket_id = t.id and c.tenant_id = n.tenant_id
            and c.id = {as_uuid("n.payload ->> 'commentId'")}
        left join users u on u.tenant_id = n.tenant_id and u.id = {as_uuid("n.recipient")}
        left join lateral (
            select count(*) filter (where m.delivered_at > since) as recent,
                min(m.delivered_at) filter (where m.delivered_at > since) as first_recent,
                count(*) filter (where m.delivered_at is null and m.template <> all (direct)) as waiting
            from notifications m
            where n.channel = 'EMAIL' and u.role <> 'CUSTOMER' and n.template <> all (direct)
              and m.tenant_id = n.tenant_id and m.channel = 'EMAIL' and m.recipient = n.recipient
              and m.dead_at is null and m.digest_id is null and m.created_at > since - interval '2 days'
        ) f on true
        where n.id = any (ids)
    $$""",
    # The dispatcher: these have been delivered, and what a digest among them tells of. What lets somebody set a password leaves
    # the database with the mail.
    "deliver_notifications(ids uuid[])": """
    returns integer
    language sql volatile as $$
        with told as (
            update notifications n
            set delivered_at = clock_timestamp(), leased_until = null, last_error = null, payload = n.payload - 'token'
            where (n.id = any (ids) or n.digest_id = any (ids)) and n.delivered_at is null and n.dead_at is null
            returning 1
        )
        select count(*)::integer from told
    $$""",
    # The doctor: webhooks that have failed so often in a row, the worst first, without where they lead and what they are told.
    "failing_webhooks(often integer)": """
    returns table (tenant text, webhook uuid, failures integer, waiting bigint, dead bigint)
    language sql stable as $$
        select n.slug, w.id, w.failures, count(d.id) filter (where d.delivered_at is null and d.dead_at is null),
            count(*) filter (where d.dead_at > now() - interval '7 days')
        from webhooks w
        join tenants n on n.id = w.tenant_id
        left join webhook_deliveries d on d.tenant_id = w.tenant_id and d.webhook_id = w.id
            and (d.delivered_at is null or d.dead_at is not null)
        where w.active and w.failures >= often
        group by n.slug, w.id
        order by w.failures desc, w.id
    $$""",
}


def upgrade() -> None:
    """Add the column, and the functions, with their owner's rights and a fixed search path."""
    op.execute("alter table webhook_deliveries add column earlier jsonb default '[]' not null")
    for signature, body in FUNCTIONS.items():
        exempt(signature, body)


def downgrade() -> None:
    """Drop everything again."""
    for signature in FUNCTIONS:
        op.execute(f"drop function {signature}")
    op.execute("alter table webhook_deliveries drop column earlier")
