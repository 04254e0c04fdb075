#!/bin/sh
# Creates or upgrades Temporal's two databases; does nothing to those that are current.
set -eu
for database in temporal temporal_visibility; do
  versions=/etc/temporal/schema/postgresql/v12/temporal/versioned
  [ "$database" = temporal ] || versions=/etc/temporal/schema/postgresql/v12/visibility/versioned
  tool="temporal-sql-tool --plugin postgres12 --ep $POSTGRES_SEEDS -u $POSTGRES_USER -p $DB_PORT --db $database"
  $tool create
  $tool setup-schema -v 0.0
  $tool update-schema -d "$versions"
done
