package k8s

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// pki is a certificate authority with files in one folder, made for one test.
type pki struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	authority := &pki{t: t, dir: t.TempDir(), key: newKey(t)}
	template := certificate("test authority", nil)
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage |= x509.KeyUsageCertSign
	authority.cert = template
	authority.cert = authority.sign(template, authority.key, "ca.crt")
	return authority
}

func (p *pki) path(name string) string {
	return filepath.Join(p.dir, name)
}

// issue writes NAME.crt and NAME.key.
func (p *pki) issue(name, commonName string, groups []string, addresses ...net.IP) {
	p.t.Helper()
	key := newKey(p.t)
	template := certificate(commonName, groups)
	template.IPAddresses = addresses
	template.DNSNames = []string{"localhost"}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	p.sign(template, key, name+".crt")
	p.writeKey(name+".key", key)
}

// issueKey writes NAME.key alone.
func (p *pki) issueKey(name string) {
	p.t.Helper()
	p.writeKey(name+".key", newKey(p.t))
}

func (p *pki) sign(template *x509.Certificate, key *ecdsa.PrivateKey, file string) *x509.Certificate {
	p.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, p.cert, &key.PublicKey, p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(file, "CERTIFICATE", der)
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	return signed
}

func (p *pki) writeKey(file string, key *ecdsa.PrivateKey) {
	p.t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(file, "EC PRIVATE KEY", der)
}

func (p *pki) write(file, kind string, der []byte) {
	p.t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(p.path(file), text, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certificate(commonName string, groups []string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: commonName, Organization: groups},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
}
