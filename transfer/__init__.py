"""SQLite to PostgreSQL: backup, copy, and the proof that nothing was lost."""
