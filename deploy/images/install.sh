#!/bin/sh
# Fills /app: `dependencies NAME…` makes /app/venv what requirements/NAME.txt locks, `code DISTRIBUTION…` puts our own
# wheels into /app/lib. What installs is only mounted and stays out of the image.
set -eu
build=$(dirname "$0")
# Not exported when empty: uv would take that for an address.
[ ! -s "$build/index" ] || { UV_DEFAULT_INDEX=$(cat "$build/index") && export UV_DEFAULT_INDEX; }
export UV_CACHE_DIR=/tmp/cache/uv UV_LINK_MODE=copy UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never
uv() { "$build/venv/bin/uv" "$@"; }
what=$1
shift

case $what in
    dependencies)
        # The interpreter of the base, which every stage has at the same place; not the one that builds.
        [ -x /app/venv/bin/python ] || uv venv -q --python "$(command -v python3)" /app/venv
        cd "$build/requirements"
        uv pip sync -q --python /app/venv/bin/python --require-hashes $(printf '%s.txt ' "$@")
        /app/venv/bin/python -m compileall -q -j 0 /app/venv/lib
        ;;
    code)
        for distribution in "$@"; do
            uv pip install -q --offline --no-cache --no-deps --python /app/venv/bin/python --target /app/lib \
                /tmp/wheels/"$distribution"-*.whl
        done
        /app/venv/bin/python -m compileall -q -j 0 /app/lib
        ;;
esac
# Left by uv, and everybody may write them.
rm -f /app/venv/.lock /app/lib/.lock
