-- What migrations make of gen.py's `big`.
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('head');
CREATE TABLE users (
  id SERIAL PRIMARY KEY, email VARCHAR(255) NOT NULL, name VARCHAR(80) NOT NULL, is_active BOOLEAN NOT NULL,
  is_admin BOOLEAN NOT NULL DEFAULT false, created_at TIMESTAMP NOT NULL, birthday DATE, balance NUMERIC(12, 2) NOT NULL,
  karma DOUBLE PRECISION, bio TEXT, settings JSON, avatar BYTEA
);
