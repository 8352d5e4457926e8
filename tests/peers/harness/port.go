package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports come from below the kernel's ephemeral range, so no outgoing connection takes one between the choice
// and the server's own bind.
const (
	portFirst = 12000
	portLast  = 31999
)

var (
	portLock sync.Mutex
	portUsed = map[int]bool{}
)

// FreePort returns a loopback TCP port that nothing listens on and that this process has not handed out before.
func FreePort(t testing.TB) int {
	t.Helper()
	portLock.Lock()
	defer portLock.Unlock()
	for range 1000 {
		port := portFirst + rand.IntN(portLast-portFirst+1)
		if portUsed[port] {
			continue
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		listener.Close()
		portUsed[port] = true
		return port
	}
	t.Fatal("no free loopback port found")
	return 0
}
