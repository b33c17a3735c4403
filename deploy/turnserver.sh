#!/bin/sh
# turnserver.sh TEMPLATE CONFIGURATION: start coturn with the secret in a file that this user
# alone may read. On the command line, or left in the environment, others could see it.
set -eu
umask 077
: "${DOMAIN:?is not set}" "${TURN_SECRET:?is not set}"
cat "$1" >"$2"
printf 'realm=%s\nstatic-auth-secret=%s\npidfile=%s.pid\n' "$DOMAIN" "$TURN_SECRET" "$2" >>"$2"
unset TURN_SECRET
exec turnserver -c "$2"
