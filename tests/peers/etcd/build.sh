#!/bin/sh
# Builds the real etcd, etcdctl and etcdutl, or those of them that are named, into target/peers/bin.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

[ $# -gt 0 ] || set -- etcd etcdctl etcdutl
for program in "$@"; do
    case $program in
    etcd) package=go.etcd.io/etcd/server/v3 ;;
    etcdctl | etcdutl) package=go.etcd.io/etcd/$program/v3 ;;
    *) fail "no program $program: etcd, etcdctl or etcdutl" ;;
    esac
    build_tools "$here" "$program=$package"
done
