"""The outbox as its dispatcher needs it, webhooks, single-use tokens for passwords, and what reads across tenants."""

from alembic import op

from migrations.rls import exempt, protect

revision = "0007_notifications"
down_revision = "0006_sla"
branch_labels = None
depends_on = None

TENANT = "tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null"

OUTBOX = """
update notifications set not_before = created_at where not_before is null;
alter table notifications
    alter column process_id drop not null,
    alter column revision drop not null,
    alter column not_before set default clock_timestamp(),
    alter column not_before set not null,
    add column parent_id uuid,
    add column expanded_after uuid,
    add column digest_id uuid,
    add column read_at timestamp with time zone,
    drop constraint ck_notifications_channel,
    add constraint ck_notifications_channel check (channel in ('EMAIL','IN_APP','WEBHOOK','SLACK','PREFERRED'));
alter table notifications set (fillfactor = 85);
drop index ix_notifications_pending;
create index ix_notifications_due on notifications (channel, not_before)
    where delivered_at is null and dead_at is null and digest_id is null;
create index ix_notifications_recipient on notifications (tenant_id, channel, recipient, created_at, id);
create index ix_notifications_log on notifications (tenant_id, created_at, id);
create index ix_notifications_dead on notifications (tenant_id, created_at, id) where dead_at is not null;
create index ix_notifications_digest on notifications (digest_id) where digest_id is not null;
update notifications set delivered_at = created_at
    where channel = 'IN_APP' and recipient !~ '[:@]' and delivered_at is null and dead_at is null;

create function settle_in_app() returns trigger language plpgsql as $$
begin
    new.delivered_at := clock_timestamp();
    return new;
end $$;
create trigger settle_in_app before insert on notifications for each row
    when (new.channel = 'IN_APP' and new.recipient !~ '[:@]' and new.delivered_at is null and new.dead_at is null)
    execute function settle_in_app();

create function ring_outbox() returns trigger language plpgsql as $$
begin
    if not pg_try_advisory_xact_lock_shared(357913941001) then
        perform pg_notify('summit_outbox', '');
    end if;
    return null;
end $$;
-- Per row, because the statement of a decision inserts nothing most of the time, and then nothing is to be paid.
create trigger ring_outbox after insert on notifications for each row
    when (new.delivered_at is null) execute function ring_outbox();
"""

TABLES = f"""
create table webhooks (
    id uuid default gen_random_uuid() not null,
    {TENANT},
    url text not null,
    events text[] not null,
    secret text not null,
    format text default 'STANDARD' not null,
    active boolean default true not null,
    failures integer default 0 not null,
    rests_until timestamp with time zone,
    after_xid bigint default pg_current_xact_id()::text::bigint not null,
    after_seq bigint default 0 not null,
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone default now() not null,
    version integer default 1 not null,
    constraint pk_webhooks primary key (id),
    constraint uq_webhooks_tenant_id_id unique (tenant_id, id),
    constraint fk_webhooks_tenant_id foreign key(tenant_id) references tenants (id),
    constraint ck_webhooks_format check (format in ('STANDARD','SLACK')),
    constraint ck_webhooks_events check (cardinality(events) > 0)
);
create index ix_webhooks_tenant_id_created_at_id on webhooks (tenant_id, created_at, id);

create table webhook_deliveries (
    id uuid default gen_random_uuid() not null,
    {TENANT},
    webhook_id uuid not null,
    event_seq bigint not null,
    type text not null,
    entity text not null,
    entity_id uuid not null,
    body text not null,
    created_at timestamp with time zone default clock_timestamp() not null,
    not_before timestamp with time zone default clock_timestamp() not null,
    leased_until timestamp with time zone,
    attempts integer default 0 not null,
    delivered_at timestamp with time zone,
    dead_at timestamp with time zone,
    response_status integer,
    last_error text,
    constraint pk_webhook_deliveries primary key (id),
    constraint uq_webhook_deliveries_webhook_id_event_seq unique (webhook_id, event_seq),
    constraint fk_webhook_deliveries_tenant_id foreign key(tenant_id) references tenants (id),
    constraint fk_webhook_deliveries_tenant_id_webhook_id foreign key(tenant_id, webhook_id)
        references webhooks (tenant_id, id) on delete cascade,
    constraint ck_webhook_deliveries_one_end check (delivered_at is null or dead_at is null)
);
create index ix_webhook_deliveries_due on webhook_deliveries (webhook_id, not_before)
    where delivered_at is null and dead_at is null;
create index ix_webhook_deliveries_created on webhook_deliveries (created_at);
create index ix_webhook_deliveries_log on webhook_deliveries (tenant_id, webhook_id, created_at, id);

create table password_tokens (
    id uuid default gen_random_uuid() not null,
    {TENANT},
    user_id uuid not null,
    purpose text not null,
    hash text not null,
    created_at timestamp with time zone default clock_timestamp() not null,
    expires_at timestamp with time zone not null,
    used_at timestamp with time zone,
    constraint pk_password_tokens primary key (id),
    constraint uq_password_tokens_hash unique (hash),
    constraint fk_password_tokens_tenant_id foreign key(tenant_id) references tenants (id),
    constraint fk_password_tokens_tenant_id_user_id foreign key(tenant_id, user_id)
        references users (tenant_id, id) on delete cascade,
    constraint ck_password_tokens_purpose check (purpose in ('INVITATION','RESET'))
);
create index ix_password_tokens_user on password_tokens (tenant_id, user_id, created_at);
"""

FUNCTIONS = {
    # The dispatcher: of each channel the first due row of each recipient that is not being told something at this moment (`busy`
    # holds tenant/channel/recipient), of the oldest 500; each counts as an attempt. Two dispatchers never get the same row.
    "lease_notifications(wanted text[], busy text[], most integer, seconds integer)": """
    returns setof notifications
    language sql volatile as $$
        with ripe as materialized (
            select due.* from unnest(wanted) w(channel) cross join lateral (
                select n.id, n.tenant_id, n.channel, n.recipient, n.not_before from notifications n
                where n.channel = w.channel and n.not_before <= clock_timestamp()
                  and n.delivered_at is null and n.dead_at is null and n.digest_id is null
                  and (n.leased_until is null or n.leased_until < clock_timestamp())
                  and not (n.tenant_id || '/' || n.channel || '/' || n.recipient = any (busy))
                order by n.not_before limit 500
            ) due
        ), first as (
            select distinct on (r.tenant_id, r.channel, r.recipient) r.id, r.not_before from ripe r
            order by r.tenant_id, r.channel, r.recipient, r.not_before
        ), chosen as (
            select f.id from first f order by f.not_before limit most
        ), taken as (
            select n.id from notifications n join chosen c on c.id = n.id
            where n.delivered_at is null and n.dead_at is null and n.digest_id is null
              and (n.leased_until is null or n.leased_until < clock_timestamp())
            for update of n skip locked
        )
        update notifications n
        set leased_until = clock_timestamp() + make_interval(secs => seconds), attempts = n.attempts + 1
        from taken t where n.id = t.id
        returning n.*
    $$""",
    # The dispatcher: the first due delivery of each webhook that is not being called at this moment and does not rest.
    "lease_webhook_deliveries(busy uuid[], most integer, seconds integer)": """
    returns table (id uuid, tenant_id uuid, webhook_id uuid, type text, entity text, entity_id uuid, body text,
        attempts integer, created_at timestamptz, url text, secret text, format text)
    language sql volatile as $$
        with chosen as materialized (
            select due.id, due.not_before from webhooks w cross join lateral (
                select d.id, d.not_before from webhook_deliveries d
                where d.webhook_id = w.id and d.not_before <= clock_timestamp()
                  and d.delivered_at is null and d.dead_at is null
                  and (d.leased_until is null or d.leased_until < clock_timestamp())
                order by d.not_before limit 1
            ) due
            where w.active and not (w.id = any (busy)) and (w.rests_until is null or w.rests_until <= clock_timestamp())
            order by due.not_before limit most
        ), taken as (
            select d.id from webhook_deliveries d join chosen c on c.id = d.id
            where d.delivered_at is null and d.dead_at is null
              and (d.leased_until is null or d.leased_until < clock_timestamp())
            for update of d skip locked
        )
        update webhook_deliveries d
        set leased_until = clock_timestamp() + make_interval(secs => seconds), attempts = d.attempts + 1
        from taken t, webhooks w where d.id = t.id and w.id = d.webhook_id
        returning d.id, d.tenant_id, d.webhook_id, d.type, d.entity, d.entity_id, d.body, d.attempts, d.created_at,
            w.url, w.secret, w.format
    $$""",
    # The dispatcher: one delivery per (webhook, event), in the order of (xid, seq) and below every transaction still open, so
    # that a late commit is not passed by. A cursor beyond the server's own counter is from before a logical restore.
    "pump_webhooks(most integer)": """
    returns integer
    language plpgsql volatile as $$
    declare
        hook record;
        seen record;
        horizon constant bigint := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
        latest constant bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
        total integer := 0;
    begin
        for hook in
            select w.* from webhooks w
            where w.active and (w.after_xid > latest or exists (
                select from events e
                where e.tenant_id = w.tenant_id and (e.xid, e.seq) > (w.after_xid, w.after_seq) and e.xid < horizon
            ))
            order by w.id for update of w skip locked
        loop
            if hook.after_xid > latest then
                hook.after_xid := 0;
            end if;
            with fresh as (
                select e.* from events e
                where e.tenant_id = hook.tenant_id and (e.xid, e.seq) > (hook.after_xid, hook.after_seq) and e.xid < horizon
                order by e.xid, e.seq limit most
            ), posted as (
                insert into webhook_deliveries (tenant_id, webhook_id, event_seq, type, entity, entity_id, body)
                select f.tenant_id, hook.id, f.seq, f.type, f.entity, f.entity_id, json_build_object(
                    'type', f.type,
                    'timestamp', to_char(f.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                    'data', f.payload || jsonb_build_object('entity', f.entity, 'id', f.entity_id, 'version', f.version)
                )::text
                from fresh f
                where '*' = any (hook.events) or f.type = any (hook.events)
                   or split_part(f.type, '.', 1) || '.*' = any (hook.events)
                order by f.xid, f.seq
                on conflict do nothing
                returning 1
            )
            select f.xid, f.seq, (select count(*) from posted) as made into seen
            from fresh f order by f.xid desc, f.seq desc limit 1;
            if found then
                update webhooks set after_xid = seen.xid, after_seq = seen.seq where id = hook.id;
                total := total + seen.made;
            end if;
        end loop;
        return total;
    end
    $$""",
    # The live stream of an API process: what happened to these tenants after a position, below every transaction still open.
    "live_events(tenants uuid[], after_xid bigint, after_seq bigint, horizon bigint, most integer)": """
    returns table (tenant_id uuid, xid bigint, seq bigint, type text, entity text, entity_id uuid, version integer,
        at timestamptz, internal boolean, account_id uuid, address text)
    language sql stable as $$
        select e.tenant_id, e.xid, e.seq, e.type, e.entity, e.entity_id, e.version, e.at, e.internal, e.account_id, e.address
        from unnest(tenants) t(id) cross join lateral (
            select * from events e
            where e.tenant_id = t.id and (e.xid, e.seq) > (after_xid, after_seq) and e.xid < horizon
            order by e.xid, e.seq limit most
        ) e
        order by e.xid, e.seq limit most
    $$""",
    # Metrics and `summit doctor`: how the outbox and the webhooks stand, over all tenants.
    "outbox_state()": """
    returns table (pending bigint, oldest_seconds double precision, dead bigint)
    language sql stable as $$
        with waiting as (
            select n.not_before from notifications n
            where n.delivered_at is null and n.dead_at is null and n.digest_id is null and n.not_before <= clock_timestamp()
            union all
            select d.not_before from webhook_deliveries d join webhooks w on w.id = d.webhook_id
            where w.active and d.delivered_at is null and d.dead_at is null and d.not_before <= clock_timestamp()
        )
        select count(*), coalesce(extract(epoch from clock_timestamp() - min(w.not_before)), 0),
            (select count(*) from notifications n where n.dead_at > now() - interval '7 days')
          + (select count(*) from webhook_deliveries d where d.dead_at > now() - interval '7 days')
        from waiting w
    $$""",
    # The dispatcher: drop the oldest events, when they are older than `before`.
    "prune_events(before timestamptz, most integer)": """
    returns integer
    language sql volatile as $$
        with oldest as (select e.seq, e.at from events e order by e.seq limit most),
        gone as (delete from events e using oldest o where e.seq = o.seq and o.at < before returning 1)
        select count(*)::integer from gone
    $$""",
    # The dispatcher: drop the oldest deliveries that have come to an end, when they are older than `before`.
    "prune_deliveries(before timestamptz, most integer)": """
    returns integer
    language sql volatile as $$
        with oldest as (
            select d.id from webhook_deliveries d
            where d.created_at < before and (d.delivered_at is not null or d.dead_at is not null)
            order by d.created_at limit most
        ), gone as (delete from webhook_deliveries d using oldest o where d.id = o.id returning 1)
        select count(*)::integer from gone
    $$""",
    # Who asks for a new password: the active people with this address; also tells their tenants apart.
    "reset_candidates(address text)": """
    returns table (tenant_id uuid, slug text, user_id uuid)
    language sql stable as $$
        select t.id, t.slug, u.id from users u join tenants t on t.id = u.tenant_id
        where lower(u.email) = lower(address) and u.active
        order by t.is_default desc, t.created_at, t.id
        limit 5
    $$""",
    # Whose password a token sets; the caller still has to use it up in that tenant's own transaction.
    "token_holder(token_hash text)": """
    returns table (tenant_id uuid, user_id uuid)
    language sql stable as $$
        select p.tenant_id, p.user_id from password_tokens p join users u on u.id = p.user_id
        where p.hash = token_hash and p.used_at is null and p.expires_at > now() and u.active
    $$""",
}

OWNED_TABLES = ("webhooks", "webhook_deliveries", "password_tokens")


def upgrade() -> None:
    """Change the outbox, add the tables, and the functions that the application may call across tenants."""
    op.execute(OUTBOX)
    op.execute(TABLES)
    for table in OWNED_TABLES:
        protect(table)
    for signature, body in FUNCTIONS.items():
        exempt(signature, body)


def downgrade() -> None:
    """Drop everything again; rows that the earlier release could not hold are lost."""
    for signature in FUNCTIONS:
        op.execute(f"drop function {signature}")
    op.execute(f"drop table {', '.join(reversed(OWNED_TABLES))} cascade")
    op.execute("""
drop trigger ring_outbox on notifications;
drop trigger settle_in_app on notifications;
drop function ring_outbox();
drop function settle_in_app();
delete from notifications where process_id is null or channel = 'PREFERRED';
drop index ix_notifications_due, ix_notifications_recipient, ix_notifications_log, ix_notifications_dead, ix_notifications_digest;
alter table notifications
    alter column process_id set not null,
    alter column revision set not null,
    alter column not_before drop default,
    alter column not_before drop not null,
    drop column parent_id, drop column expanded_after, drop column digest_id, drop column read_at,
    drop constraint ck_notifications_channel,
    add constraint ck_notifications_channel check (channel in ('EMAIL','IN_APP','WEBHOOK','SLACK'));
alter table notifications reset (fillfactor);
create index ix_notifications_pending on notifications (created_at) where delivered_at is null and dead_at is null;
""")
