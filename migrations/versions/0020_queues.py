"""Skills without case, as they are written from now on."""

from alembic import op
from sqlalchemy import text

revision = "0020_queues"
down_revision = "0018_desk_indexes"
branch_labels = None
depends_on = None


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
    """Fold the skills that there are."""
    for table in ("users", "routing_rules"):
        fold(table)


def downgrade() -> None:
    """Folded skills mean the same to the release before."""
