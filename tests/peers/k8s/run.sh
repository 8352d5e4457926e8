#!/bin/sh
# Runs a real kube-apiserver and kubectl on KVD_BIN: `run.sh one`, `run.sh three`, or both without an argument.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

need_go
need_server
case ${1:-both} in
one) tests=OneMember ;;
three) tests=ThreeMembers ;;
both) tests=. ;;
*) fail "usage: run.sh [one|three]" ;;
esac
"$here/build.sh"
"$peers/etcd/build.sh" etcdctl

KUBE_APISERVER=$out/bin/kube-apiserver
KUBECTL=$out/bin/kubectl
ETCDCTL=$out/bin/etcdctl
export KUBE_APISERVER KUBECTL ETCDCTL
cd "$here"
exec go test -count=1 -v -timeout 10m -run "$tests" .
