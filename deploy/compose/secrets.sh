#!/usr/bin/env bash
# Makes the secrets that are missing; keeps those that are there.
#
#   secrets.sh                    into .compose/secrets, or below FOURONES_STATE
#   secrets.sh rotate NAME…       makes new passwords for submission, aggregation, alerting, boards, or a new
#                                 alertmanager_token or grafana_admin_password; `make up` puts them in force
#
# Only the owner may enter the folder. The files themselves can be read by everybody: the containers see single files of
# it, and their users are not the owner.
set -euo pipefail
cd "$(dirname "$0")/../.."

state=${FOURONES_STATE:-.compose}
folder=$state/secrets
services=(submission aggregation alerting)

main() {
  umask 022
  mkdir -p "$folder"
  chmod 700 "$state" "$folder"
  if [[ ${1:-} == rotate ]]; then
    shift
    rotate "$@"
  fi
  local name service
  for name in postgres_password boards_password alertmanager_token grafana_admin_password; do
    make "$name" random
  done
  for service in "${services[@]}"; do
    make "${service}_password" random
    make "${service}_database_url" database_url "$service"
  done
}

# make NAME COMMAND…: never half a file, for a start that is interrupted would keep it.
make() {
  local file=$folder/$1
  [[ -s $file ]] && return
  shift
  "$@" >"$file.new"
  chmod 444 "$file.new"
  mv -f "$file.new" "$file"
}

# 32 letters and digits hold 190 bits, and need no quoting in an address.
random() { LC_ALL=C tr -dc 'A-Za-z0-9' < <(head -c 1024 /dev/urandom) | head -c 32; }

database_url() { printf 'postgresql+psycopg://%s:%s@postgres:5432/%s' "$1" "$(<"$folder/$1_password")" "$1"; }

rotate() {
  local name
  for name in "$@"; do
    case $name in
      submission | aggregation | alerting) rm -f "$folder/${name}_password" "$folder/${name}_database_url" ;;
      boards) rm -f "$folder/boards_password" ;;
      alertmanager_token | grafana_admin_password) rm -f "$folder/$name" ;;
      *) printf 'secrets.sh: there is no %s to rotate\n' "$name" >&2 && exit 2 ;;
    esac
  done
}

main "$@"
