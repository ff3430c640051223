#!/bin/sh
# Fills a running system by its API, with the keys of the file $KEYS; each step may be repeated.
#
#   seed.sh catalogue         puts the catalogue of the image in force
#   seed.sh reported          posts the real figures; what was accepted before is skipped
#   seed.sh demonstration     adds synthetic plans with simulated figures
set -eu

case $1 in
    catalogue)
        # What this step once put in force may have been changed since, by hand or by the demonstration: it is
        # applied again only when the catalogue of the image is another one.
        done=$(dirname "$KEYS")/catalogue.sha256
        now=$(find /app/catalogue -type f -exec sha256sum {} + | sort | sha256sum)
        [ "$(cat "$done" 2>/dev/null)" != "$now" ] || exit 0
        FOURONES_KEY=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["admin"])' "$KEYS")
        export FOURONES_KEY
        fourones catalogue apply /app/catalogue
        echo "$now" >"$done"
        ;;
    reported)
        fourones submit /app/catalogue/reported --keys "$KEYS" --journal "$(dirname "$KEYS")/submitted.jsonl" --wait
        ;;
    demonstration)
        fourones simulate demo --keys "$KEYS" --catalogue /app/catalogue --wait
        ;;
esac
