#!/bin/sh
# Makes each service's role and database, and the boards' role; what is there gets the password that its Secret has now.
set -eu

secrets=${SECRETS:-/run/secrets}
export PGHOST="${PGHOST:-postgres}" PGUSER=postgres PGCONNECT_TIMEOUT=5
PGPASSWORD=$(cat "$secrets/postgres/password")
export PGPASSWORD

until psql --quiet --command 'SELECT 1' postgres >/dev/null; do
  echo 'waiting for the server'
  sleep 2
done

# The passwords are read by psql itself, so that no list of processes shows them.
role() {
  psql --quiet --set ON_ERROR_STOP=1 --set role="$1" postgres <<SQL
\set password \`cat $secrets/$2/password\`
SELECT format('CREATE ROLE %I', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" LOGIN PASSWORD :'password';
SQL
}

role fourones_boards boards
psql --quiet --set ON_ERROR_STOP=1 postgres <<'SQL'
ALTER ROLE fourones_boards SET default_transaction_read_only = on;
ALTER ROLE fourones_boards CONNECTION LIMIT 20;
ALTER ROLE fourones_boards SET statement_timeout = '10s';
ALTER ROLE fourones_boards SET search_path = boards;
SQL

for service in submission aggregation alerting; do
  role "$service" "$service"
  psql --quiet --set ON_ERROR_STOP=1 --set name="$service" postgres <<'SQL'
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
  echo "$service: role and database are there"
done
