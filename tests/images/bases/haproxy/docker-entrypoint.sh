#!/bin/sh
# Run in master-worker mode, in the foreground.
set -eu
if [ "$1" = haproxy ]; then
    shift
    set -- haproxy -W -db "$@"
fi
exec "$@"
