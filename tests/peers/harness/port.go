package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports come from below the kernel's ephemeral range, so no outgoing connection takes one between the choice and the
// server's own bind. Test processes that run side by side keep apart by blocks: whoever listens on a block's first
// port owns the rest of it.
const (
	portFirst  = 12000
	blockSize  = 500
	blockCount = 40
)

var ports struct {
	lock  sync.Mutex
	guard net.Listener
	base  int
	next  int
}

// FreePort returns a loopback TCP port that nothing listens on. A port comes round again only after hundreds of others.
func FreePort(t testing.TB) int {
	t.Helper()
	ports.lock.Lock()
	defer ports.lock.Unlock()
	if ports.guard == nil && !claimBlock() {
		t.Fatal("no free block of loopback ports found")
	}
	for range blockSize {
		ports.next = ports.next%(blockSize-1) + 1
		port := ports.base + ports.next
		if listener := listen(port); listener != nil {
			listener.Close()
			return port
		}
	}
	t.Fatalf("all loopback ports from %d on are in use", ports.base)
	return 0
}

func claimBlock() bool {
	for _, block := range rand.Perm(blockCount) {
		base := portFirst + block*blockSize
		if guard := listen(base); guard != nil {
			ports.guard, ports.base = guard, base
			return true
		}
	}
	return false
}

// listen returns nil if the port is in use.
func listen(port int) net.Listener {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil
	}
	return listener
}
