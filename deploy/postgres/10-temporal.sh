#!/bin/sh
# Runs once, when the cluster is made: Temporal gets a role of its own, which may create its two databases.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$TEMPORAL_DB_PASSWORD" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
create role temporal login createdb password :'password';
SQL
