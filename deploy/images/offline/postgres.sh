#!/usr/bin/env bash
# As the public image's entry point, as far as it is used here: makes the cluster at the first start, then serves.
#
#   POSTGRES_PASSWORD_FILE   the superuser's password; there is no default
#   POSTGRES_INITDB_ARGS     further options of initdb
set -euo pipefail

if [[ ${1:-} == postgres && ! -s $PGDATA/PG_VERSION ]]; then
  # In a pod it is a folder of the volume that nobody has made.
  mkdir -p "$PGDATA"
  # Half of a cluster, from a start that was killed: initdb wants an empty folder.
  find "$PGDATA" -mindepth 1 -delete
  read -ra options <<<"${POSTGRES_INITDB_ARGS:-}"
  initdb --pgdata="$PGDATA" --username=postgres --pwfile="${POSTGRES_PASSWORD_FILE:?is not set}" \
    --auth-local=trust --auth-host=scram-sha-256 "${options[@]}"
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
fi
exec "$@"
