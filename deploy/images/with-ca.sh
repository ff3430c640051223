#!/bin/sh
# Runs a command that trusts the certificate authority of the build secret `ca`, where there is one: behind a proxy
# that opens TLS, or with a package index of one's own, the base image does not know who signs.
if [ -s /run/ca.crt ]; then
    export PIP_CERT=/run/ca.crt SSL_CERT_FILE=/run/ca.crt
fi
exec "$@"
