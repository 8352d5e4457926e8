#!/bin/sh
# Runs the real etcdctl against KVD_BIN.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

need_go
need_server
"$peers/etcd/build.sh" etcdctl
ETCDCTL=$out/bin/etcdctl
export ETCDCTL
cd "$here"
exec go test -count=1 -timeout 5m -parallel "${PARALLEL:-4}" "$@" .
