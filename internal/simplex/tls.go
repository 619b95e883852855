package simplex

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"
)

// A CA issues certificates, as Plex's does for names under plex.direct. Clients trust it
// if they are told so: with [CA.Pool], or SSL_CERT_FILE and [CA.PEM].
type CA struct {
	mu     sync.Mutex
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial int64
}

// NewCA makes a CA.
func NewCA() *CA {
	ca := &CA{}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "Simplex"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	ca.cert, ca.key = ca.sign(template, nil, nil)
	return ca
}

// sign makes a certificate with a key of its own; by itself if there is no parent.
func (ca *CA) sign(template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	ca.serial++
	template.SerialNumber = big.NewInt(ca.serial)
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert, key
}

// PEM is the CA's own certificate.
func (ca *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
}

// Pool trusts the CA and nobody else.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// Serve serves over https on a free port of 127.0.0.1, with a certificate for these names
// and addresses that is valid until then. It returns the host and port.
func (ca *CA) Serve(h http.Handler, until time.Time, names ...string) (addr string, close func()) {
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "Simplex"}, NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	ca.mu.Lock()
	cert, key := ca.sign(template, ca.cert, ca.key)
	ca.mu.Unlock()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}})
	if err != nil {
		panic(err)
	}
	srv := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)} // clients that do not trust it are no news
	var done sync.WaitGroup
	done.Go(func() { srv.Serve(l) })
	return l.Addr().String(), func() {
		srv.Close()
		done.Wait()
	}
}
