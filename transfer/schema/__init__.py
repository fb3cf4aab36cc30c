"""Schemas: one for PostgreSQL made from a SQLite file's, and two that exist held against each other."""

from transfer.schema.creating import Ddl, create, statements
from transfer.schema.line import SchemaLine
from transfer.schema.reporting import report

__all__ = ["Ddl", "SchemaLine", "create", "report", "statements"]
