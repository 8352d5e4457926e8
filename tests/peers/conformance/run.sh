#!/bin/sh
# Runs the conformance cases against KVD_BIN. KVD_LATER=1 adds those about parts of the API that come later.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

need_go
need_server
cd "$here"
exec go test -count=1 -timeout 5m -parallel "${PARALLEL:-4}" "$@" .
