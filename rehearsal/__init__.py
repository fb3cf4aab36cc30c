"""The practice stage: a sample application, a PostgreSQL, visitors."""
