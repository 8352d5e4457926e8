"""A Python client, which is gRPC's C core on the wire, at work on the server under test."""

import asyncio
import time
import unittest

import grpc
from etcd3aio import Etcd3Client, prefix_range_end

from server import Server

PUT, DELETE = 0, 1


class ClientTest(unittest.IsolatedAsyncioTestCase):
    """Every test has a fresh server at revision 1."""

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)

    async def asyncSetUp(self):
        self.client = Etcd3Client([self.server.endpoint])
        await self.client.connect()
        self.addAsyncCleanup(self.client.close)
        self.kv, self.lease = self.client.kv, self.client.lease

    async def value(self, key):
        kvs = (await self.kv.get(key)).kvs
        return kvs[0].value if kvs else None

    async def test_put_get_delete(self):
        self.assertEqual((await self.kv.put("a", "1")).header.revision, 2)
        put = await self.kv.put("a", "2", prev_kv=True)
        self.assertEqual((put.header.revision, put.prev_kv.value), (3, b"1"))
        got = await self.kv.get("a")
        self.assertEqual((got.count, got.more, got.header.revision), (1, False, 3))
        kv = got.kvs[0]
        self.assertEqual((kv.value, kv.create_revision, kv.mod_revision, kv.version), (b"2", 2, 3, 2))
        self.assertEqual((await self.kv.get("a", revision=2)).kvs[0].value, b"1")
        deleted = await self.kv.delete("a", prev_kv=True)
        self.assertEqual((deleted.deleted, deleted.prev_kvs[0].value, deleted.header.revision), (1, b"2", 4))
        self.assertIsNone(await self.value("a"))

    async def test_list_in_pages(self):
        for number in range(25):
            await self.kv.put(f"list/{number:02}", str(number))
        end = prefix_range_end("list/")
        names, start, revision = [], b"list/", 0
        while True:
            page = await self.kv.get(start, range_end=end, limit=10, revision=revision)
            revision = revision or page.header.revision
            names += [kv.key for kv in page.kvs]
            if not page.more:
                break
            self.assertEqual(page.count, 25 - len(names) + len(page.kvs))
            start = page.kvs[-1].key + b"\0"
        self.assertEqual(names, [f"list/{number:02}".encode() for number in range(25)])
        counted = await self.kv.get("list/", range_end=end, count_only=True)
        self.assertEqual((counted.count, len(counted.kvs)), (25, 0))
        self.assertEqual((await self.kv.delete("list/", range_end=end)).deleted, 25)

    async def test_txn_takes_one_branch(self):
        absent = self.kv.txn_compare_create_revision("t", 0)
        create, read = self.kv.txn_op_put("t", "1"), self.kv.txn_op_get("t")
        first = await self.kv.txn([absent], [create], [read])
        self.assertTrue(first.succeeded)
        self.assertEqual(first.responses[0].response_put.header.revision, 2)
        second = await self.kv.txn([absent], [create], [read])
        self.assertFalse(second.succeeded)
        self.assertEqual(second.responses[0].response_range.kvs[0].value, b"1")
        swap = await self.kv.txn(
            [self.kv.txn_compare_value("t", "1"), self.kv.txn_compare_version("t", 1)],
            [self.kv.txn_op_put("u", "2"), self.kv.txn_op_delete("t")],
        )
        self.assertTrue(swap.succeeded)
        self.assertEqual(swap.header.revision, 3)
        self.assertEqual((await self.value("t"), await self.value("u")), (None, b"2"))

    async def test_watch_shows_every_change_in_order(self):
        watch = self.client.watch.watch("w/", range_end=prefix_range_end("w/"), prev_kv=True)
        created = await asyncio.wait_for(anext(watch), 10)
        self.assertTrue(created.created)
        await self.kv.put("w/a", "1")
        await self.kv.put("elsewhere", "1")
        await self.kv.put("w/a", "2")
        await self.kv.delete("w/a")
        events = await self.events(watch, 3)
        self.assertEqual([event.type for event in events], [PUT, PUT, DELETE])
        self.assertEqual([event.kv.mod_revision for event in events], [2, 4, 5])
        self.assertEqual([event.prev_kv.value for event in events], [b"", b"1", b"2"])
        await watch.aclose()

        history = self.client.watch.watch("w/", range_end=prefix_range_end("w/"), start_revision=4)
        self.assertEqual([event.kv.mod_revision for event in await self.events(history, 2)], [4, 5])
        await history.aclose()

    async def test_watch_of_compacted_history_is_canceled(self):
        for number in range(5):
            await self.kv.put("c", str(number))
        await self.kv.compact(4, physical=True)
        watch = self.client.watch.watch("c", start_revision=2)
        self.assertTrue((await asyncio.wait_for(anext(watch), 10)).created)
        canceled = await asyncio.wait_for(anext(watch), 10)
        self.assertEqual((canceled.canceled, canceled.compact_revision), (True, 4))
        await watch.aclose()

    async def test_lease_keeps_and_ends_its_keys(self):
        lease = await self.lease.grant(60)
        await self.kv.put("l/1", "1", lease=lease.ID)
        await self.kv.put("l/2", "2", lease=lease.ID)
        left = await self.lease.time_to_live(lease.ID, keys=True)
        self.assertEqual((left.grantedTTL, sorted(left.keys)), (60, [b"l/1", b"l/2"]))
        self.assertIn(left.TTL, range(55, 61))
        renewed = [answer async for answer in self.lease.keep_alive(lease.ID)]
        self.assertEqual([(answer.ID, answer.TTL) for answer in renewed], [(lease.ID, 60)])
        await self.lease.revoke(lease.ID)
        self.assertEqual((await self.kv.get("l/", range_end=prefix_range_end("l/"))).count, 0)

    async def test_lease_that_is_not_renewed_expires(self):
        kept, lost = await self.lease.grant(2), await self.lease.grant(2)
        await self.kv.put("kept", "1", lease=kept.ID)
        async with self.lease.keep_alive_context(kept.ID, kept.TTL) as alive:
            await self.kv.put("lost", "1", lease=lost.ID)
            granted = time.monotonic()
            watch = self.client.watch.watch("lost")
            self.assertEqual([event.type for event in await self.events(watch, 1)], [DELETE])
            self.assertGreater(time.monotonic() - granted, 1.5)
            self.assertTrue(alive.alive)
            self.assertEqual(await self.value("kept"), b"1")
            await watch.aclose()

    async def test_lock_is_held_by_one_at_a_time(self):
        inside, most = 0, 0

        async def work():
            nonlocal inside, most
            async with self.client.lock("resource"):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.01)
                inside -= 1

        await asyncio.wait_for(asyncio.gather(*(work() for _ in range(5))), 30)
        self.assertEqual(most, 1)

    async def test_errors_have_code_and_text(self):
        await self.refused(self.kv.put("", "1"), "INVALID_ARGUMENT", "etcdserver: key is not provided")
        await self.refused(
            self.kv.get("a", revision=9), "OUT_OF_RANGE", "etcdserver: mvcc: required revision is a future revision"
        )
        await self.refused(self.lease.revoke(99), "NOT_FOUND", "etcdserver: requested lease not found")
        twice = [self.kv.txn_op_put("a", "1"), self.kv.txn_op_put("a", "2")]
        await self.refused(
            self.kv.txn([], twice), "INVALID_ARGUMENT", "etcdserver: duplicate key given in txn request"
        )

    async def test_members_and_status(self):
        await self.client.ping()
        members = (await self.client.cluster.member_list()).members
        self.assertEqual([member.name for member in members], ["m0"])
        status = await self.client.maintenance.status()
        self.assertEqual(status.leader, members[0].ID)

    async def refused(self, call, code, text):
        with self.assertRaises(grpc.aio.AioRpcError) as caught:
            await call
        error = caught.exception
        self.assertEqual((error.code().name, error.details()), (code, text))

    async def events(self, watch, count):
        found = []
        while len(found) < count:
            found += (await asyncio.wait_for(anext(watch), 20)).events
        return found


if __name__ == "__main__":
    unittest.main()
