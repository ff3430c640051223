# Sourced by up.sh, down.sh and roll.sh: what is chosen by variables, as options of Compose.
#
#   OFFLINE=1          the stand-ins of `make images-offline` instead of public images
#   DEMO=1             synthetic plans and a mail catcher
#   BOARDS=1           Grafana
#   COMPOSE_FILES      further files, with spaces between
#   FOURONES_STATE     the folder of secrets, keys and addresses; settings.env in it holds what is set here alone
state=${FOURONES_STATE:-.compose}
options=(--file docker-compose.yml)
for file in ${COMPOSE_FILES:-}; do options+=(--file "$file"); done
if [[ -n ${OFFLINE:-} ]]; then options+=(--env-file deploy/images/offline/images.env); fi
if [[ -f $state/settings.env ]]; then options+=(--env-file "$state/settings.env"); fi
if [[ -n ${BOARDS:-} ]]; then options+=(--profile boards); fi
if [[ -n ${DEMO:-} ]]; then
  options+=(--profile demo)
  export FOURONES_CHANNELS=${FOURONES_CHANNELS:-./deploy/compose/channels-demo}
fi

compose() { deploy/images/docker.sh compose "${options[@]}" "$@"; }
