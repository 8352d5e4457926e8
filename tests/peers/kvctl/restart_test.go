package kvctl

import (
	"context"
	"testing"
	"time"

	"kvd.test/peers/harness"
)

func TestWatchGoesOnBehindItsLastEventWhenTheServerIsBack(t *testing.T) {
	t.Parallel()
	member := harness.StartCluster(t, 1).Members[0]
	endpoint := member.ClientURL
	etcdctl, kvctl := &client{variable: "ETCDCTL"}, &client{variable: "CTL_BIN"}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	old := kvctl.start(ctx, t, step{arguments: "watch w --prefix --rev=2"}, endpoint)
	// One that has seen nothing yet must still not miss what happens while the server comes back.
	idle := kvctl.start(ctx, t, step{arguments: "watch x"}, endpoint)

	put := func(arguments string) {
		t.Helper()
		if answer := etcdctl.run(t, step{arguments: "put " + arguments}, endpoint); answer.code != 0 {
			t.Fatalf("put %s: %+v", arguments, answer)
		}
	}
	put("w1 before")
	expect(t, old, "PUT", "w1", "before")
	// Nobody says when the other watcher is there; a key that it sees tells.
	awaitEvent(t, idle, func() { put("x early") })

	member.Kill()
	member.Restart(t)
	put("w2 after")
	put("x after")
	expect(t, old, "PUT", "w2", "after")
	expect(t, idle, "PUT", "x", "after")
}

func expect(t *testing.T, lines <-chan string, want ...string) {
	t.Helper()
	for _, line := range want {
		select {
		case got, open := <-lines:
			if !open || got != line+"\n" {
				t.Fatalf("printed %q (open: %v), want %q", got, open, line)
			}
		case <-time.After(15 * time.Second):
			t.Fatalf("no output within 15s, want %q", line)
		}
	}
}

// awaitEvent writes until the watcher has seen what was written last.
func awaitEvent(t *testing.T, lines <-chan string, write func()) {
	t.Helper()
	for range 100 {
		write()
		seen := 0
		for quiet := false; !quiet; {
			select {
			case <-lines:
				seen++
			case <-time.After(500 * time.Millisecond):
				quiet = true
			}
		}
		if seen > 0 {
			return
		}
	}
	t.Fatal("the watcher sees nothing")
}
