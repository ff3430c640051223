#!/usr/bin/env bash
# Starts the Compose file and shows where everything is; options.sh says what can be chosen.
#
#   WAIT_SECONDS    until everything is healthy; 600
set -euo pipefail
cd "$(dirname "$0")/../.."
source deploy/compose/options.sh

main() {
  local service
  deploy/images/docker.sh ensure
  deploy/compose/secrets.sh
  if ! compose up --quiet-pull --detach --wait --wait-timeout "${WAIT_SECONDS:-600}" --remove-orphans "$@" \
    >"$state/up.log" 2>&1; then
    grep -vE ' (Creating|Created|Starting|Started|Waiting|Healthy|Exited|Running) *$' "$state/up.log" >&2 || true
    compose ps --all --format 'table {{.Service}}\t{{.Status}}' >&2
    exit 1
  fi
  # What these two read may be newer than they are. From inside: Docker takes a signal that it sends itself for the
  # wish that the container does not come back once it ends.
  for service in prometheus alertmanager; do compose exec -T "$service" sh -c 'kill -HUP 1'; done
  keep_keys
  write_endpoints
  show
}

keep_keys() {
  # Docker copies with the umask's rights aside: the folder is closed, but a key is better safe twice.
  compose cp demonstration-keys:/var/lib/fourones/keys.json "$state/keys.json" >/dev/null 2>&1
  chmod 600 "$state/keys.json"
}

# The same names as .local/endpoints.json has of `make run`.
write_endpoints() {
  local service
  (
    umask 077
    {
      printf '{\n'
      for service in submission aggregation alerting; do
        printf '  "%s": "%s",\n' "$service" "$(published "$service-api" 8080)"
      done
      printf '  "prometheus": "%s",\n' "$(published prometheus 9090)"
      printf '  "alertmanager": "%s",\n' "$(published alertmanager 9093)"
      if [[ -n ${BOARDS:-} ]]; then printf '  "grafana": "%s",\n' "$(published grafana 3000)"; fi
      if [[ -n ${DEMO:-} ]]; then printf '  "mail": "%s",\n' "$(published mail 8025)"; fi
      printf '  "keys": %s\n}\n' "$(<"$state/keys.json")"
    } >"$state/endpoints.json.new"
  )
  mv "$state/endpoints.json.new" "$state/endpoints.json"
}

published() { printf 'http://%s' "$(compose port "$1" "$2")"; }

show() {
  local name address
  sed -nE 's/^  "(.*)": "(http.*)",$/\1 \2/p' "$state/endpoints.json" | while read -r name address; do
    printf '  %-14s %s\n' "$name" "$address"
  done
  printf '  %-14s %s\n' keys "$state/keys.json"
}

main "$@"
