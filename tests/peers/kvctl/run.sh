#!/bin/sh
# Compares kvctl with the real etcdctl, both at work on KVD_BIN.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

need_go
need_server
CTL_BIN=${CTL_BIN:-$repo/target/release/kvctl}
case $CTL_BIN in
/*) ;;
*) CTL_BIN=$(pwd)/$CTL_BIN ;;
esac
[ -x "$CTL_BIN" ] || fail "no client at $CTL_BIN: build it or set CTL_BIN"
export CTL_BIN
"$peers/etcd/build.sh" etcdctl
ETCDCTL=$out/bin/etcdctl
export ETCDCTL
cd "$here"
exec go test -count=1 -timeout 5m -parallel "${PARALLEL:-4}" "$@" .
