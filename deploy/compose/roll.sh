#!/usr/bin/env bash
# Replaces the containers of services one after the other, each when the one before is healthy:
#
#   roll.sh submission-api aggregation-worker …
#
# Where a service has two containers or more (`scale` in an override file, or --scale), the others go on meanwhile. The
# options of `make up` hold here as well, and must be the same.
#
#   WAIT_SECONDS    until a service is healthy again; 300
set -euo pipefail
cd "$(dirname "$0")/../.."
source deploy/compose/options.sh

all_healthy() {
  local container
  for container in $(compose ps --quiet "$1"); do
    [[ $(docker inspect --format '{{.State.Health.Status}}' "$container") == healthy ]] || return 1
  done
}

replace() {
  local service=$1 old=$2
  # Stopped orderly; Docker waits as long as the Compose file says.
  docker stop "$old" >/dev/null
  docker rm "$old" >/dev/null
  compose up --detach --no-deps --no-recreate "$service" >/dev/null 2>&1
  for _ in $(seq "${WAIT_SECONDS:-300}"); do
    all_healthy "$service" && return
    sleep 1
  done
  printf 'roll.sh: %s is not healthy after its replacement\n' "$service" >&2
  exit 1
}

for service in "$@"; do
  for container in $(compose ps --quiet "$service"); do
    replace "$service" "$container"
  done
  printf '  %s replaced\n' "$service"
done
