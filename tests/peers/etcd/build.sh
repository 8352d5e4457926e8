#!/bin/sh
# Builds the real etcd, etcdctl and etcdutl into target/peers/bin.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

build_tools "$here" \
    etcd=go.etcd.io/etcd/server/v3 \
    etcdctl=go.etcd.io/etcd/etcdctl/v3 \
    etcdutl=go.etcd.io/etcd/etcdutl/v3
