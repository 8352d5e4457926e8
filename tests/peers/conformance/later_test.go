package conformance

import (
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"testing"
)

// later skips a case whose part of the API is not built yet, unless KVD_LATER=1 asks for it.
func later(t *testing.T) {
	t.Helper()
	if os.Getenv("KVD_LATER") != "1" {
		t.Skip("runs with KVD_LATER=1")
	}
}

func TestCase39SnapshotEndsWithItsDigest(t *testing.T) {
	s := fresh(t)
	s.put("a", "1")
	reader := must[io.ReadCloser](t)(s.etcd.Snapshot(s.ctx))
	defer reader.Close()
	data := must[[]byte](t)(io.ReadAll(reader))
	equal(t, "size modulo 512", len(data)%512, 32)
	split := len(data) - sha256.Size
	digest := sha256.Sum256(data[:split])
	equal(t, "digest fits", bytes.Equal(digest[:], data[split:]), true)
}
