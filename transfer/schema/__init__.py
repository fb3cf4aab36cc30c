"""Schemas: one for PostgreSQL made from a SQLite file's, and two that exist held against each other."""

from transfer.schema.creating import Ddl, create, statements

__all__ = ["Ddl", "create", "statements"]
