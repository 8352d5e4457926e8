# Sourced by the scripts of this folder, which set `here` to their own folder first.

set -eu

peers=$(cd "$here/.." && pwd)
[ -f "$peers/lib.sh" ] || peers=$here
repo=$(cd "$peers/../.." && pwd)
out=${PEERS_OUT:-$repo/target/peers}
mkdir -p "$out/bin"

# The server under test; any program with etcd's flags will do. Made absolute, as the tests run in other folders.
KVD_BIN=${KVD_BIN:-$repo/target/release/kvd}
case $KVD_BIN in
/*) ;;
*) KVD_BIN=$(pwd)/$KVD_BIN ;;
esac
export KVD_BIN

fail() {
    echo "$0: $*" >&2
    exit 1
}

need_server() {
    [ -x "$KVD_BIN" ] || fail "no server at $KVD_BIN: build it or set KVD_BIN"
}

need_go() {
    command -v go >/dev/null || fail "go is needed"
}

# build_tools MODULE_DIR NAME=PACKAGE...
# Builds programs that the module requires into $out/bin, unless they were built from the same module files before.
build_tools() {
    module=$1
    shift
    need_go
    for pair in "$@"; do
        name=${pair%%=*}
        package=${pair#*=}
        stamp=$out/bin/.$name.stamp
        want=$({ cat "$module/go.mod" "$module/go.sum"; go version; echo "$package ${LDFLAGS:-}"; } | cksum)
        if [ -x "$out/bin/$name" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
            continue
        fi
        echo "building $name"
        rm -f "$stamp"
        (cd "$module" && CGO_ENABLED=0 nice go build -trimpath -buildvcs=false \
            -ldflags "-s -w ${LDFLAGS:-}" -o "$out/bin/$name" "$package")
        echo "$want" >"$stamp"
    done
}
