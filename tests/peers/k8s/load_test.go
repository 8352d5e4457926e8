package k8s

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

const (
	loadWorkers = 3
	// acknowledgedEnough is how many acknowledged writes come before the disruption, and again after it.
	acknowledgedEnough = 60
	// recoveryMax bounds the time that a disruption may keep writes from being acknowledged. It holds the
	// apiserver's own reconnections too, so it is far above the election timeout.
	recoveryMax = 60 * time.Second
	absent      = "absent"
)

// load is writes through kubectl whose outcomes are kept, for a later comparison with what is stored.
type load struct {
	server    *apiserver
	namespace string

	lock sync.Mutex
	// outcomes holds for each object the states that it may be in: one, unless a write of it failed.
	outcomes     map[string][]string
	acknowledged []time.Time
	failures     []string
}

// disrupt writes objects while `disruption` happens, checks that the writes go on after it, and that every
// acknowledged one is there.
func (a *apiserver) disrupt(namespace string, disruption func()) {
	a.t.Helper()
	a.must("", "create", "namespace", namespace)
	under := &load{server: a, namespace: namespace, outcomes: map[string][]string{}}
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for number := range loadWorkers {
		workers.Go(func() { under.work(number, stop) })
	}

	under.waitForMore(acknowledgedEnough, a.t)
	disrupted := time.Now()
	disruption()
	under.waitForMore(acknowledgedEnough, a.t)
	close(stop)
	workers.Wait()
	under.report(disrupted)
	under.verify()
}

// work writes objects of its own: each is created, patched, and every third one deleted.
func (l *load) work(worker int, stop <-chan struct{}) {
	for number := 0; ; number++ {
		select {
		case <-stop:
			return
		default:
		}
		name := fmt.Sprintf("load-%d-%05d", worker, number)
		in := []string{"--namespace", l.namespace, "--request-timeout=20s"}
		if !l.write(name, "new", append(in, "create", "configmap", name, "--from-literal=state=new")) {
			continue
		}
		patch := append(in, "patch", "configmap", name, "--type=merge", `--patch={"data":{"state":"patched"}}`)
		if !l.write(name, "patched", patch) || number%3 != 0 {
			continue
		}
		l.write(name, absent, append(in, "delete", "configmap", name))
	}
}

// write does one write and records what may be stored from then on.
func (l *load) write(name, state string, arguments []string) bool {
	// The write may be applied at any time from here on, acknowledged or not.
	l.lock.Lock()
	before, known := l.outcomes[name]
	if !known {
		before = []string{absent}
	}
	l.outcomes[name] = append(slices.Clone(before), state)
	l.lock.Unlock()

	_, _, err := l.server.kubectl("", arguments...)
	l.lock.Lock()
	defer l.lock.Unlock()
	if err != nil {
		l.failures = append(l.failures, err.Error())
		return false
	}
	l.outcomes[name] = []string{state}
	l.acknowledged = append(l.acknowledged, time.Now())
	return true
}

func (l *load) count() int {
	l.lock.Lock()
	defer l.lock.Unlock()
	return len(l.acknowledged)
}

func (l *load) waitForMore(count int, t *testing.T) {
	t.Helper()
	target := l.count() + count
	for deadline := time.Now().Add(recoveryMax); l.count() < target; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.lock.Lock()
			defer l.lock.Unlock()
			t.Fatalf("only %d of %d further writes were acknowledged within %s; newest failures: %v",
				count-(target-len(l.acknowledged)), count, recoveryMax, l.failures[max(0, len(l.failures)-3):])
		}
	}
}

func (l *load) report(disrupted time.Time) {
	l.lock.Lock()
	defer l.lock.Unlock()
	gap := time.Duration(0)
	for index := 1; index < len(l.acknowledged); index++ {
		gap = max(gap, l.acknowledged[index].Sub(l.acknowledged[index-1]))
	}
	l.server.t.Logf("%d writes were acknowledged and %d failed; the longest pause was %s, writes ended %s after the disruption",
		len(l.acknowledged), len(l.failures), gap.Round(time.Millisecond), time.Since(disrupted).Round(time.Millisecond))
	for _, failure := range l.failures {
		l.server.t.Logf("failed: %s", failure)
	}
}

// verify compares what is stored with what was acknowledged.
func (l *load) verify() {
	l.server.t.Helper()
	text := l.server.must("", "get", "configmaps", "--namespace", l.namespace, "--chunk-size=50", "-o", "json")
	stored := map[string]string{}
	for _, item := range decode[struct{ Items []object }](l.server.t, text).Items {
		stored[item.Metadata.Name] = item.Data["state"]
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	for name, allowed := range l.outcomes {
		state, found := stored[name]
		if !found {
			state = absent
		}
		if !slices.Contains(allowed, state) {
			l.server.t.Errorf("%s is %s, but was acknowledged as %v", name, state, allowed)
		}
		delete(stored, name)
	}
	for name := range stored {
		l.server.t.Errorf("%s is stored, but nobody wrote it", name)
	}
}
