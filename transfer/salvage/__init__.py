"""The way back from PostgreSQL to SQLite."""

from transfer.salvage.applying import Conflict, TableSalvage
from transfer.salvage.salvaging import Salvage, salvage

__all__ = ["Conflict", "Salvage", "TableSalvage", "salvage"]
