#!/usr/bin/env bash
# Stops and removes the containers; the data stay in their volumes. `DATA=delete` deletes them, the secrets and keys too.
set -euo pipefail
cd "$(dirname "$0")/../.."
# Those of every profile, whichever was started.
DEMO=1 BOARDS=1 source deploy/compose/options.sh

if [[ ${DATA:-} == delete ]]; then
  compose --progress quiet down --volumes --remove-orphans
  rm -rf "$state/secrets" "$state/keys.json" "$state/up.log"
else
  compose --progress quiet down --remove-orphans
fi
rm -f "$state/endpoints.json"
