package k8s

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"kvd.test/peers/harness"
)

const apiserverReadyMax = 2 * time.Minute

// apiserver is a kube-apiserver on loopback with the servers under test as its store.
type apiserver struct {
	t          *testing.T
	url        string
	kubeconfig string
	home       string
	process    *harness.Process
}

func startAPIServer(t *testing.T, storeURLs []string) *apiserver {
	t.Helper()
	authority := newPKI(t)
	authority.issue("serving", "kube-apiserver", nil, net.IPv4(127, 0, 0, 1))
	authority.issue("admin", "admin", []string{"system:masters"})
	authority.issueKey("service-account")
	port := harness.FreePort(t)

	command := exec.Command(harness.Tool(t, "KUBE_APISERVER"),
		"--etcd-servers", strings.Join(storeURLs, ","),
		// Short, so that compaction happens while the job runs.
		"--etcd-compaction-interval", "30s",
		"--bind-address", "127.0.0.1",
		"--secure-port", fmt.Sprint(port),
		// A documentation address: the server writes it into its endpoint objects, which refuse loopback, and
		// nothing connects to it.
		"--advertise-address", "192.0.2.1",
		"--service-cluster-ip-range", "10.0.0.0/24",
		"--authorization-mode", "RBAC",
		"--client-ca-file", authority.path("ca.crt"),
		"--tls-cert-file", authority.path("serving.crt"),
		"--tls-private-key-file", authority.path("serving.key"),
		"--service-account-issuer", "https://kubernetes.default.svc",
		"--service-account-key-file", authority.path("service-account.key"),
		"--service-account-signing-key-file", authority.path("service-account.key"),
	)
	server := &apiserver{
		t:          t,
		url:        fmt.Sprintf("https://127.0.0.1:%d", port),
		kubeconfig: authority.path("kubeconfig"),
		home:       t.TempDir(),
	}
	server.process = harness.StartProcess(t, "kube-apiserver", command)
	server.writeKubeconfig(authority)
	start := time.Now()
	server.waitUntilReady(authority)
	t.Logf("kube-apiserver is ready after %s", time.Since(start).Round(time.Millisecond))
	return server
}

func (a *apiserver) writeKubeconfig(authority *pki) {
	a.t.Helper()
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: admin}}]
clusters: [{name: test, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: admin, user: {client-certificate: %q, client-key: %q}}]
`, a.url, authority.path("ca.crt"), authority.path("admin.crt"), authority.path("admin.key"))
	if err := os.WriteFile(a.kubeconfig, []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *apiserver) waitUntilReady(authority *pki) {
	a.t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(authority.cert)
	admin, err := tls.LoadX509KeyPair(authority.path("admin.crt"), authority.path("admin.key"))
	if err != nil {
		a.t.Fatal(err)
	}
	config := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{admin}}
	client := &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true},
	}
	last := "no answer yet"
	for deadline := time.Now().Add(apiserverReadyMax); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if a.process.Ended() {
			a.t.Fatal("kube-apiserver ended before it was ready")
		}
		response, err := client.Get(a.url + "/readyz?verbose")
		if err != nil {
			last = err.Error()
			continue
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return
		}
		last = string(body)
	}
	a.t.Fatalf("kube-apiserver is not ready after %s: %s", apiserverReadyMax, last)
}
