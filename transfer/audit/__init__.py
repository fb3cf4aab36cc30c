"""The dry look, days before: what of a SQLite file PostgreSQL would refuse, change or not carry. Reads only."""

from transfer.audit.auditing import audit
from transfer.audit.findings import Audit, AuditFinding, Example, Severity

__all__ = ["Audit", "AuditFinding", "Example", "Severity", "audit"]
