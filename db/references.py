"""Whether the things that a record is to name exist, asked for all of them at once; foreign keys would tell of the first only."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

UNKNOWN: Final = text("""
select distinct r.field from unnest(:fields, :kinds, :ids) r(field, kind, id)
where not case r.kind
  when 'colleague' then exists (select from users u where u.id = r.id and u.role <> 'CUSTOMER' and u.active)
  when 'team' then exists (select from teams t where t.id = r.id)
  when 'mailbox' then exists (select from mailboxes b where b.id = r.id)
  when 'policy' then false
  else exists (select from customer_accounts a where a.id = r.id)
end
order by r.field
""").bindparams(
    bindparam("fields", type_=ARRAY(Text)), bindparam("kinds", type_=ARRAY(Text)), bindparam("ids", type_=ARRAY(Uuid))
)


References = Mapping[tuple[str, str], Sequence[UUID] | UUID | None]
"""(field, kind) → the id or the ids that it holds.

A kind is `colleague` (active staff), `team`, `account`, `mailbox`, or `policy` (of on-call; there are none yet).
"""


async def unknown(connection: AsyncConnection, references: References) -> list[str]:
    """The fields that name something unknown."""
    named = [
        (field, kind, each)
        for (field, kind), ids in references.items()
        for each in ([ids] if isinstance(ids, UUID) else ids or ())
    ]
    if not named:
        return []
    fields, kinds, ids = (list(column) for column in zip(*named, strict=True))
    return list((await connection.execute(UNKNOWN, {"fields": fields, "kinds": kinds, "ids": ids})).scalars())
