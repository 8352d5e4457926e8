"""The same HTTP requests to two servers' JSON gateways: a real etcd (REAL_ETCD) and the server under test (KVD_BIN).

Compared are the HTTP status, the content type and the JSON of the answer, after IDs, terms and what is random are
mapped. Texts of errors that only say what is wrong with the JSON are each server's own.
"""

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE_SECONDS = 30


def b64(text):
    return base64.b64encode(text.encode()).decode()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    def __init__(self, binary):
        self.data = tempfile.TemporaryDirectory()
        self.port, peer = free_port(), free_port()
        client_url, peer_url = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{peer}"
        self.process = subprocess.Popen(
            [
                binary,
                "--name=m0",
                f"--data-dir={self.data.name}/m0",
                f"--listen-client-urls={client_url}",
                f"--advertise-client-urls={client_url}",
                f"--listen-peer-urls={peer_url}",
                f"--initial-advertise-peer-urls={peer_url}",
                f"--initial-cluster=m0={peer_url}",
                "--log-level=error",
            ]
        )
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                if self.call("POST", "/v3/kv/range", '{"key":"YQ=="}')[0] == 200:
                    break
            except OSError:
                pass
            if time.monotonic() > end:
                self.stop()
                sys.exit(f"{binary} does not serve requests in JSON")
            time.sleep(0.05)
        header = self.call("POST", "/v3/kv/range", '{"key":"YQ=="}')[2][0]["header"]
        self.own = {header["cluster_id"]: "CLUSTER", header["member_id"]: "MEMBER"}
        self.term = header["raft_term"]

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.data.cleanup()

    def call(self, verb, path, body, lines=None, headers=None):
        """The status, the content type, and the JSON values of the body: all, or so many lines of a stream."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        connection.request(verb, path, body, headers or {})
        response = connection.getresponse()
        if lines is None:
            text = response.read().decode().splitlines()
        else:
            text = [response.readline().decode() for _ in range(lines)]
        connection.close()
        return response.status, response.getheader("Content-Type"), [json.loads(line) for line in text if line]

    def mapped(self, value, key=None):
        if isinstance(value, dict):
            return {name: self.mapped(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.mapped(inner) for inner in value]
        if key in ("raft_term", "raftTerm") and value == self.term:
            return "TERM"
        return self.own.get(value, value) if isinstance(value, str) else value


GRANT = '{"ID":"%d","TTL":600}'
# Name, path, body, lines of a stream (None: a whole answer), what not to compare.
CASES = [
    ("put", "kv/put", {"key": b64("foo"), "value": b64("bar"), "nonsense": 1}),
    ("put with prev_kv", "kv/put", {"key": b64("foo"), "value": b64("baz"), "prev_kv": True}),
    ("put, other name of a field", "kv/put", {"key": b64("foo2"), "prevKv": True}),
    ("range", "kv/range", {"key": b64("foo")}),
    ("range in the past", "kv/range", {"key": b64("foo"), "revision": "2"}),
    ("range, number as number", "kv/range", {"key": b64("foo"), "revision": 2}),
    ("range of a prefix, order by name", "kv/range",
     {"key": b64("f"), "range_end": b64("g"), "sort_order": "DESCEND", "sort_target": "MOD"}),
    ("range, order by number", "kv/range", {"key": b64("f"), "range_end": b64("g"), "sort_order": 2, "sort_target": 3}),
    ("range, order unknown", "kv/range", {"key": b64("f"), "range_end": b64("g"), "sort_order": "NOSUCH"}),
    ("range, order out of range", "kv/range", {"key": b64("f"), "sort_order": 7}),
    ("range, nothing there", "kv/range", {"key": b64("none")}),
    ("range, count", "kv/range", {"key": b64("f"), "range_end": b64("g"), "count_only": True}),
    ("range without a key", "kv/range", {}),
    ("range without a body", "kv/range", ""),
    ("range, future", "kv/range", {"key": b64("foo"), "revision": "99"}),
    ("range, null", "kv/range", {"key": b64("foo"), "limit": None}),
    ("range, base64 without padding", "kv/range", '{"key":"Zm9"}'),
    ("range, something after the message", "kv/range", '{"key":"Zm9v"} {"key":"x"} nonsense'),
    ("range, cut off", "kv/range", "{"),
    ("range, a list", "kv/range", "[]", None, "message"),
    ("range, not a number", "kv/range", '{"key":"Zm9v","limit":"x"}', None, "message"),
    ("range, not base64", "kv/range", '{"key":"*"}', None, "message"),
    ("txn", "kv/txn", {
        "compare": [{"key": b64("foo"), "target": "VERSION", "result": "GREATER", "version": "1"}],
        "success": [
            {"requestRange": {"key": b64("foo")}},
            {"request_put": {"key": b64("t"), "value": b64("1")}},
            {"request_txn": {"failure": [{"request_delete_range": {"key": b64("foo2"), "prev_kv": True}}]}},
        ],
    }),
    ("txn, duplicate key", "kv/txn",
     {"success": [{"request_put": {"key": b64("t")}}, {"request_put": {"key": b64("t")}}]}),
    ("delete", "kv/deleterange", {"key": b64("t"), "prev_kv": True}),
    ("grant", "lease/grant", GRANT % 7001),
    ("grant again", "lease/grant", GRANT % 7001),
    ("grant, too long", "lease/grant", {"ID": 7002, "TTL": "9000000001"}),
    ("grant another", "lease/grant", GRANT % 7002),
    ("put with a lease", "kv/put", {"key": b64("leased"), "lease": 7001}),
    ("time to live", "lease/timetolive", {"ID": 7001, "keys": True}, None, "TTL"),
    ("time to live, older path", "kv/lease/timetolive", {"ID": 7001}, None, "TTL"),
    ("time to live, unknown", "lease/timetolive", {"ID": 9}),
    ("keep alive", "lease/keepalive", '{"ID":"7001"}\n{"ID":9}', 2),
    ("revoke, unknown", "lease/revoke", {"ID": 9}),
    ("revoke, older path", "kv/lease/revoke", {"ID": 7001}),
    ("leases", "lease/leases", {}),
    ("watch", "watch", {"create_request": {"key": b64("foo"), "start_revision": "1", "prev_kv": True}}, 2),
    ("watch, two watchers", "watch",
     '{"create_request":{"key":"Zm9v"}}{"create_request":{"key":"Zm9v","watch_id":7}}', 2),
    ("watch, refused", "watch", {"create_request": {"key": b64("b"), "range_end": b64("a")}}, 1),
    ("compact", "kv/compaction", {"revision": "3", "physical": True}),
    ("compact again", "kv/compaction", {"revision": "3"}),
    ("lock", "lock/lock", {"name": b64("l"), "lease": 7002}),
    ("lock again", "lock/lock", {"name": b64("l"), "lease": 7002}),
    ("lock without such a lease", "lock/lock", {"name": b64("l"), "lease": 9}),
    ("unlock", "lock/unlock", {"key": b64("l/1b5a")}),
    ("unlock again", "lock/unlock", {"key": b64("l/1b5a")}),
    ("leader, none", "election/leader", {"name": b64("e")}),
    ("campaign", "election/campaign", {"name": b64("e"), "lease": 7002, "value": b64("one")}),
    ("campaign again", "election/campaign", {"name": b64("e"), "lease": 7002, "value": b64("two")}),
    ("leader", "election/leader", {"name": b64("e")}),
    ("observe", "election/observe", {"name": b64("e")}, 1),
    ("proclaim without a leader", "election/proclaim", {"value": b64("x")}),
    ("proclaim, not leading", "election/proclaim",
     {"leader": {"name": b64("e"), "key": b64("e/1b5a"), "rev": "1", "lease": "7002"}, "value": b64("x")}),
    ("resign, not leading", "election/resign",
     {"leader": {"name": b64("e"), "key": b64("e/1b5a"), "rev": "1", "lease": "7002"}}),
    ("resign without a leader", "election/resign", {}),
    ("alarms", "maintenance/alarm", {"action": "GET"}),
    ("authenticate, not enabled", "auth/authenticate", {"name": "x", "password": "y"}),
    ("auth status", "auth/status", {}),
    ("user", "auth/user/add", {"name": "u", "password": "p"}),
    ("users", "auth/user/list", {}),
    ("user again", "auth/user/add", {"name": "u", "password": "p"}),
    ("role", "auth/role/add", {"name": "r"}),
    ("permission", "auth/role/grant", {"name": "r", "perm": {"permType": "READWRITE", "key": b64("a"), "range_end": b64("b")}}),
    ("role with permission", "auth/role/get", {"role": "r"}),
    ("no such path", "nonsense", {}),
    ("a stream without a binding", "kv/rangestream", {"key": b64("foo")}),
]


def without(value, names):
    if isinstance(value, dict):
        return {name: without(inner, names) for name, inner in value.items() if name not in names}
    if isinstance(value, list):
        return [without(inner, names) for inner in value]
    return value


def answer(server, verb, path, body, lines, ignored):
    body = body if isinstance(body, str) else json.dumps(body)
    status, kind, values = server.call(verb, path, body, lines)
    return status, kind, without(server.mapped(values), ignored)


def main():
    servers = []
    differences = 0
    calls = [("POST", f"/v3/{case[1]}", case) for case in CASES]
    calls.append(("POST", "/v3beta/kv/range", ("older prefix", "", {"key": b64("foo")})))
    calls.append(("GET", "/v3/kv/range", ("wrong verb", "", "")))
    calls.append(("PUT", "/v3/kv/range", ("other wrong verb", "", "{}")))
    try:
        for name in ("REAL_ETCD", "KVD_BIN"):
            servers.append(Server(os.environ[name]))
        for verb, path, case in calls:
            lines = case[3] if len(case) > 3 else None
            ignored = case[4:5]
            etcd, kvd = (answer(server, verb, path, case[2], lines, ignored) for server in servers)
            if etcd != kvd:
                differences += 1
                print(f"{case[0]}: {verb} {path} {case[2]}\n  etcd: {etcd}\n  here: {kvd}")
    finally:
        for server in servers:
            server.stop()
    print(f"gateway: {len(calls)} cases, {differences} differences")
    sys.exit(1 if differences else 0)


main()
