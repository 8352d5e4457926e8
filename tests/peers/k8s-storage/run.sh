#!/bin/sh
# Runs Kubernetes' own storage suites, unchanged but for the file that starts their server, against KVD_BIN.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

version=v0.37.2
need_go
need_server

copy=$out/k8s-apiserver
if [ ! -d "$copy" ] || [ "$(cat "$copy.version" 2>/dev/null)" != "$version" ]; then
    source=$(cd "$out" && go mod download -json "k8s.io/apiserver@$version" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p')
    [ -d "$source" ] || fail "cannot get k8s.io/apiserver $version"
    rm -rf "$copy"
    cp -R "$source" "$copy"
    chmod -R u+w "$copy"
    echo "$version" >"$copy.version"
fi
cp "$here/test_server.go" "$copy/pkg/storage/etcd3/testserver/test_server.go"

# A workspace lets the stand-in import the harness while upstream's go.mod stays as it is.
GOWORK=$out/k8s-storage.work
export GOWORK
printf 'go 1.26.0\n\nuse (\n\t%s\n\t%s\n)\n' "$copy" "$peers/harness" >"$GOWORK"

results=$out/k8s-storage.json
status=0
(cd "$copy" && go test -count=1 -timeout 20m -json "$@" ./pkg/storage/etcd3/... ./pkg/storage/cacher/...) \
    >"$results" || status=$?
# The totals catch what the exit status does not: a suite that was left out.
record=${RECORD:+--record}
(cd "$here/totals" && GOWORK=off go run . "$results" "$here/expected.txt" $record) || status=1
exit "$status"
