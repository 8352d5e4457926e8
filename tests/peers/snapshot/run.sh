#!/bin/sh
# Takes snapshots of KVD_BIN to a real etcd and back.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

need_go
need_server
"$peers/etcd/build.sh"
ETCD=$out/bin/etcd
ETCDCTL=$out/bin/etcdctl
ETCDUTL=$out/bin/etcdutl
# What makes data directories for the server under test.
case $(basename "$KVD_BIN") in
etcd*) RESTORE_BIN=${RESTORE_BIN:-$ETCDUTL} ;;
*) RESTORE_BIN=${RESTORE_BIN:-${CTL_BIN:-$repo/target/release/kvctl}} ;;
esac
case $RESTORE_BIN in
/*) ;;
*) RESTORE_BIN=$(pwd)/$RESTORE_BIN ;;
esac
[ -x "$RESTORE_BIN" ] || fail "no client at $RESTORE_BIN: build it or set CTL_BIN"
export ETCD ETCDCTL ETCDUTL RESTORE_BIN
cd "$here"
exec go test -count=1 -timeout 5m -parallel "${PARALLEL:-4}" "$@" .
