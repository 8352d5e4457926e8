package harness

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const readyMax = 60 * time.Second

// Member is one server of a cluster.
type Member struct {
	// Name is the member's --name.
	Name string
	// ClientURL is where clients reach it.
	ClientURL string
	// PeerURL is where the other members reach it.
	PeerURL string
	// DataDir holds what it stores.
	DataDir string

	// program is the variable of the environment that names it.
	program   string
	arguments []string
	process   *Process
}

// Cluster is a set of members that know each other.
type Cluster struct {
	// Members in the order of their names: m0, m1, …
	Members []*Member
}

// StartCluster starts a fresh cluster of KVD_BIN processes with extra flags and waits until every member serves.
func StartCluster(t testing.TB, memberCount int, flags ...string) *Cluster {
	t.Helper()
	cluster := NewCluster(t, memberCount, flags...)
	cluster.Start(t, "KVD_BIN")
	return cluster
}

// NewCluster chooses names, addresses and data directories, which are not made yet.
func NewCluster(t testing.TB, memberCount int, flags ...string) *Cluster {
	t.Helper()
	cluster := &Cluster{}
	for index := range memberCount {
		cluster.Members = append(cluster.Members, &Member{
			Name:      fmt.Sprintf("m%d", index),
			ClientURL: fmt.Sprintf("http://127.0.0.1:%d", FreePort(t)),
			PeerURL:   fmt.Sprintf("http://127.0.0.1:%d", FreePort(t)),
			DataDir:   t.TempDir() + "/data",
		})
	}
	for _, member := range cluster.Members {
		member.arguments = append([]string{
			"--name", member.Name,
			"--data-dir", member.DataDir,
			"--listen-client-urls", member.ClientURL,
			"--advertise-client-urls", member.ClientURL,
			"--listen-peer-urls", member.PeerURL,
			"--initial-advertise-peer-urls", member.PeerURL,
			"--initial-cluster", cluster.Initial(),
		}, flags...)
	}
	return cluster
}

// Initial returns the value of --initial-cluster.
func (c *Cluster) Initial() string {
	var peers []string
	for _, member := range c.Members {
		peers = append(peers, member.Name+"="+member.PeerURL)
	}
	return strings.Join(peers, ",")
}

// Start starts a process of the program that the variable names for each member, and waits until every one serves.
func (c *Cluster) Start(t testing.TB, variable string) {
	t.Helper()
	for _, member := range c.Members {
		member.program = variable
		member.start(t)
		// One clean-up for each member, also for one that is restarted: what a test starts later, such as a client
		// of the cluster, ends before the cluster does.
		t.Cleanup(func() { member.process.finish(t) })
	}
	for _, member := range c.Members {
		member.waitUntilReady(t)
	}
}

// NewMember prepares a member that is to join; it is not one of Members before it has.
func (c *Cluster) NewMember(t testing.TB, name string) *Member {
	t.Helper()
	return &Member{
		Name:      name,
		ClientURL: fmt.Sprintf("http://127.0.0.1:%d", FreePort(t)),
		PeerURL:   fmt.Sprintf("http://127.0.0.1:%d", FreePort(t)),
		DataDir:   t.TempDir() + "/data",
	}
}

// Join starts a member that was added to the cluster, and waits until it serves.
func (c *Cluster) Join(t testing.TB, member *Member) {
	t.Helper()
	member.program = c.Members[0].program
	c.Members = append(c.Members, member)
	member.arguments = []string{
		"--name", member.Name,
		"--data-dir", member.DataDir,
		"--listen-client-urls", member.ClientURL,
		"--advertise-client-urls", member.ClientURL,
		"--listen-peer-urls", member.PeerURL,
		"--initial-advertise-peer-urls", member.PeerURL,
		"--initial-cluster", c.Initial(),
		"--initial-cluster-state", "existing",
	}
	member.start(t)
	t.Cleanup(func() { member.process.finish(t) })
	member.waitUntilReady(t)
}

// Exit waits for the member's process to end by itself, and returns its exit code.
func (m *Member) Exit(t testing.TB) int {
	t.Helper()
	return m.process.Exit(t, readyMax)
}

// ClientURLs returns the client URL of every member.
func (c *Cluster) ClientURLs() []string {
	var urls []string
	for _, member := range c.Members {
		urls = append(urls, member.ClientURL)
	}
	return urls
}

// Kill ends the member with SIGKILL.
func (m *Member) Kill() {
	m.process.Kill()
}

// Stopped says whether the member's process is gone.
func (m *Member) Stopped() bool {
	return m.process.Ended()
}

// Restart starts a member again that was killed, on its own data, and waits until it serves.
func (m *Member) Restart(t testing.TB) {
	t.Helper()
	m.start(t)
	m.waitUntilReady(t)
}

func (m *Member) start(t testing.TB) {
	t.Helper()
	m.process = start(t, m.Name, exec.Command(Tool(t, m.program), m.arguments...))
}

func (m *Member) waitUntilReady(t testing.TB) {
	t.Helper()
	m.process.WaitForOutput(t, "ready to serve client requests", readyMax)
}
