"""What was told, for tests that need some of it: an inbox entry, and a webhook with a delivery."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

import psycopg

from cli.demo import PEOPLE
from tests.api.front import Front

NOTICE = """
insert into notifications (id, tenant_id, rung, template, recipient, channel, payload, dead_at)
values (%(id)s, %(tenant)s, 'r', %(template)s, %(recipient)s, %(channel)s, %(payload)s, case when %(dead)s then now() end)
"""
HOOK = """
insert into webhooks (id, tenant_id, url, events, secret) values (%(id)s, %(tenant)s, 'https://hook.example', '{x.y}', 'whsec_')
"""
DELIVERY = """
insert into webhook_deliveries (id, tenant_id, webhook_id, event_seq, type, entity, entity_id, body)
values (%(id)s, %(tenant)s, %(hook)s, 1, 'ticket.created', 'ticket', gen_random_uuid(), '{}')
"""


async def execute(api: Front, login: str, statement: str, values: Mapping[str, Any]) -> None:
    """Write as the application, in the tenant of somebody."""
    tenant = api.seed.tenant_of(login)
    async with await psycopg.AsyncConnection.connect(api.settings.postgres.conninfo()) as connection:
        await connection.execute("select set_config('summit.tenant', %s, true)", (str(tenant),))
        await connection.execute(statement, {"tenant": tenant, **values})


async def noticed(api: Front, login: str, template: str = "ticket_assigned", **values: Any) -> str:
    """An entry in somebody's inbox; or, by its values, another row of the outbox."""
    row = {"id": str(uuid.uuid4()), "template": template, "recipient": str(api.seed.users[login]), "channel": "IN_APP"}
    row |= {"dead": False, "payload": {}, **values}
    await execute(api, login, NOTICE, {**row, "payload": json.dumps(row["payload"])})
    return str(row["id"])


async def posted(api: Front, login: str) -> dict[str, str]:
    """The ids of an entry (for customers) or of a mail that was given up (for others), of a webhook, and of a delivery."""
    customer = PEOPLE[login].role == "CUSTOMER"
    mail = {"template": "page", "channel": "EMAIL", "recipient": "a@b.example", "dead": True}
    hook, delivery = str(uuid.uuid4()), str(uuid.uuid4())
    await execute(api, login, HOOK, {"id": hook})
    await execute(api, login, DELIVERY, {"id": delivery, "hook": hook})
    notice = await noticed(api, login, **({} if customer else mail))
    return {"notification_id": notice, "webhook_id": hook, "delivery_id": delivery}
