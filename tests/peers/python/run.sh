#!/bin/sh
# Runs a Python client against KVD_BIN, in a virtual environment under target/peers.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

command -v python3 >/dev/null || fail "python3 is needed"
need_server
venv=$out/venv
want=$({ cat "$here/requirements.txt"; python3 --version; } | cksum)
if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$want" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    echo "$want" >"$venv/stamp"
fi
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
cd "$here"
exec "$venv/bin/python" -m unittest -v test_client
