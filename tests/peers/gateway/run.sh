#!/bin/sh
# The JSON gateway of the server under test beside a real etcd's: the same HTTP requests, answers compared.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

need_server
sh "$here/../etcd/build.sh" etcd
REAL_ETCD=$out/bin/etcd exec python3 "$here/compare.py"
