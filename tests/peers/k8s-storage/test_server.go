// Package testserver stands in for the Kubernetes package of that name: it has the same functions, but runs the
// server under test as a process, KVD_BIN, for each test.
package testserver

import (
	"fmt"
	"net/url"
	"os/exec"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	storagetesting "k8s.io/apiserver/pkg/storage/testing"
	"kvd.test/peers/harness"
)

// NewTestConfig describes a single member on free loopback ports with a data directory that ends with the test.
func NewTestConfig(t testing.TB) *embed.Config {
	config := embed.NewConfig()
	config.ListenClientUrls = []url.URL{freeURL(t)}
	config.AdvertiseClientUrls = config.ListenClientUrls
	config.ListenPeerUrls = []url.URL{freeURL(t)}
	config.AdvertisePeerUrls = config.ListenPeerUrls
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.Dir = t.TempDir() + "/data"
	return config
}

// RunEtcd starts a server for the rest of the test and returns a client of it, which records calls as the suites
// expect.
func RunEtcd(t testing.TB, config *embed.Config) *kubernetes.Client {
	t.Helper()
	if config == nil {
		config = NewTestConfig(t)
	}
	command := exec.Command(harness.Tool(t, "KVD_BIN"), flags(t, config)...)
	process := harness.StartProcess(t, "server", command)
	process.WaitForOutput(t, "ready to serve client requests", time.Minute)

	client, err := kubernetes.New(clientv3.Config{
		Endpoints:   []string{config.AdvertiseClientUrls[0].String()},
		DialTimeout: 10 * time.Second,
		Logger:      zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel)),
	})
	if err != nil {
		t.Fatalf("connect to the server: %v", err)
	}
	recorder := storagetesting.NewKubernetesRecorder(client.Kubernetes)
	client.KV = storagetesting.NewKVRecorder(client.KV, recorder)
	client.Kubernetes = recorder
	return client
}

// flags puts the fields that the suites set into flags.
func flags(t testing.TB, config *embed.Config) []string {
	t.Helper()
	if !config.ClientTLSInfo.Empty() {
		t.Fatal("this stand-in does not serve TLS")
	}
	flags := []string{
		"--name", config.Name,
		"--data-dir", config.Dir,
		"--listen-client-urls", config.ListenClientUrls[0].String(),
		"--advertise-client-urls", config.AdvertiseClientUrls[0].String(),
		"--listen-peer-urls", config.ListenPeerUrls[0].String(),
		"--initial-advertise-peer-urls", config.AdvertisePeerUrls[0].String(),
		"--initial-cluster", config.InitialCluster,
	}
	defaults := embed.NewConfig()
	if config.QuotaBackendBytes != defaults.QuotaBackendBytes {
		flags = append(flags, "--quota-backend-bytes", fmt.Sprint(config.QuotaBackendBytes))
	}
	if config.WatchProgressNotifyInterval != defaults.WatchProgressNotifyInterval {
		flags = append(flags, "--watch-progress-notify-interval", config.WatchProgressNotifyInterval.String())
	}
	return flags
}

func freeURL(t testing.TB) url.URL {
	t.Helper()
	return url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))}
}
