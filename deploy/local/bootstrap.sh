#!/usr/bin/env bash
# Makes the Python environment, and says (or, as root on Debian, installs) what the machine lacks.
#
# usage: bootstrap.sh ENVIRONMENT STAMP
#
# An environment that exists is kept and brought up to date; one that is up to date is left alone.
set -euo pipefail

environment=$1
stamp=$2
cd "$(dirname "$0")/../.."

projects=(shared services/submission services/aggregation services/alerting cli grafana deploy/local)

say() { printf '  %s\n' "$*"; }

fail() {
  printf 'bootstrap: %s\n' "$*" >&2
  exit 1
}

java_version() {
  # 17.0.15 and 21 are such versions; before 9 they began with "1.".
  { "${JAVA_HOME:+$JAVA_HOME/bin/}java" -version 2>&1 || true; } | sed -nE '1s/.*version "([0-9]+).*/\1/p'
}

missing_packages() {
  python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
  local java
  java=$(java_version)
  [[ ${java:-0} -ge 17 ]] || echo openjdk-17-jdk-headless
  command -v mvn >/dev/null || echo maven
}

install_missing() {
  local packages
  mapfile -t packages < <(missing_packages)
  [[ ${#packages[@]} -eq 0 ]] && return
  if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
    fail "missing on this machine; on Debian: apt-get install --no-install-recommends ${packages[*]}"
  fi
  say "installing ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update >/dev/null
  apt-get -q install -y --no-install-recommends "${packages[@]}" >/dev/null
  mapfile -t packages < <(missing_packages)
  [[ ${#packages[@]} -eq 0 ]] || fail "still missing after the installation: ${packages[*]}"
}

# What the environment is made of; a change of any of it brings the environment up to date.
fingerprint() {
  {
    cat requirements/bootstrap.txt requirements/dev.txt
    for project in "${projects[@]}"; do cat "$project/pyproject.toml"; done
  } | sha256sum | cut -d' ' -f1
}

make_environment() {
  if [[ ! -x $environment/bin/python ]]; then
    say "creating $environment"
    python3 -m venv "$environment"
  fi
  if [[ ! -x $environment/bin/uv ]]; then
    say "installing uv"
    "$environment/bin/python" -m pip install -q --disable-pip-version-check \
      --require-hashes -r requirements/bootstrap.txt
  fi
  export VIRTUAL_ENV=$PWD/$environment
  local uv=$environment/bin/uv editable=()
  for project in "${projects[@]}"; do editable+=(-e "$project"); done
  say "installing what requirements/dev.txt names, with its hashes"
  "$uv" pip sync -q --require-hashes requirements/dev.txt
  say "installing ${projects[*]}"
  "$uv" pip install -q --no-deps --no-build-isolation "${editable[@]}"
}

command -v python3 >/dev/null || fail "missing on this machine; on Debian: apt-get install python3 python3-venv"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or newer is needed"

if [[ -f $stamp && $(<"$stamp") == "$(fingerprint)" ]]; then
  touch "$stamp"
  exit
fi
echo "Preparing the environment"
install_missing
make_environment
fingerprint >"$stamp"
