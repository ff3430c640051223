#!/usr/bin/env bash
# A database and a role for every service, and the role of the boards, with the passwords of the secrets; may be
# repeated: that is how a changed password comes into force.
set -euo pipefail

PGPASSWORD=$(</run/secrets/postgres_password)
export PGPASSWORD PGHOST=postgres PGUSER=postgres PGDATABASE=postgres PGOPTIONS='--client-min-messages=warning'

# The password comes from the file, not by the command line, where every process could read it.
for service in submission aggregation alerting; do
  psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --set=service="$service" <<SQL
\set password \`cat /run/secrets/${service}_password\`
SELECT format('CREATE ROLE %I LOGIN', :'service')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'service') \gexec
SELECT format('ALTER ROLE %I PASSWORD %L', :'service', :'password') \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'service', :'service')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'service') \gexec
REVOKE CONNECT ON DATABASE :"service" FROM PUBLIC;
SQL
done

# May read what each service's `migrate` lets it. A board that asks for too much is cut off, not waited for.
psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 <<'SQL'
\set password `cat /run/secrets/boards_password`
SELECT 'CREATE ROLE fourones_boards LOGIN'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fourones_boards') \gexec
SELECT format('ALTER ROLE fourones_boards PASSWORD %L', :'password') \gexec
ALTER ROLE fourones_boards CONNECTION LIMIT 20;
ALTER ROLE fourones_boards SET default_transaction_read_only = on;
ALTER ROLE fourones_boards SET statement_timeout = '10s';
ALTER ROLE fourones_boards SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE fourones_boards SET search_path = boards;
SQL
