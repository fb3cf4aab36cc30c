"""Users, sessions, posts and votes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("username", sa.String(40), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("display_name", sa.String(80)),
        sa.Column("bio", sa.Text),
        sa.Column("is_admin", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("last_login_at", sa.DateTime),
        sa.UniqueConstraint("username", name="uq_users_username"),
        sa.UniqueConstraint("email", name="uq_users_email"),
    )
    op.create_table(
        "user_sessions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", name="fk_user_sessions_user_id"), nullable=False),
        sa.Column("user_agent", sa.String(300)),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("last_seen_at", sa.DateTime, nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_user_sessions_user_id", "user_sessions", ["user_id"])
    op.create_table(
        "posts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("author_id", sa.Integer, sa.ForeignKey("users.id", name="fk_posts_author_id"), nullable=False),
        sa.Column("parent_id", sa.Integer, sa.ForeignKey("posts.id", name="fk_posts_parent_id")),
        sa.Column("title", sa.String(200)),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("edited_at", sa.DateTime),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_posts_parent_id_created_at", "posts", ["parent_id", "created_at"])
    op.create_index("ix_posts_author_id", "posts", ["author_id"])
    op.create_table(
        "votes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", name="fk_votes_user_id"), nullable=False),
        sa.Column("post_id", sa.Integer, sa.ForeignKey("posts.id", name="fk_votes_post_id"), nullable=False),
        sa.Column("value", sa.SmallInteger, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.UniqueConstraint("user_id", "post_id", name="uq_votes_user_id_post_id"),
        sa.CheckConstraint("value IN (-1, 1)", name="ck_votes_value"),
    )
    op.create_index("ix_votes_post_id", "votes", ["post_id"])


def downgrade() -> None:
    op.drop_table("votes")
    op.drop_table("posts")
    op.drop_table("user_sessions")
    op.drop_table("users")
