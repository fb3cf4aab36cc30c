"""The dry look, days before: what of a SQLite file PostgreSQL would refuse, change or not carry. Reads only."""
