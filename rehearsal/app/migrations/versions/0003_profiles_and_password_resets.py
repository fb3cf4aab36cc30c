"""Reputation, settings and avatar of a user; password resets."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("reputation", sa.Numeric(12, 2), nullable=False, server_default="0"))
        users.add_column(sa.Column("settings", sa.JSON))
        users.add_column(sa.Column("avatar", sa.LargeBinary))
    op.create_table(
        "password_resets",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "user_id",
            sa.Integer,
            sa.ForeignKey("users.id", name="fk_password_resets_user_id"),
            nullable=False,
        ),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
        sa.Column("used_at", sa.DateTime),
        sa.UniqueConstraint("token_hash", name="uq_password_resets_token_hash"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_password_resets_user_id", "password_resets", ["user_id"])


def downgrade() -> None:
    op.drop_table("password_resets")
    with op.batch_alter_table("users") as users:
        users.drop_column("avatar")
        users.drop_column("settings")
        users.drop_column("reputation")
