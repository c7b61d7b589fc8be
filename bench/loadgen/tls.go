package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// credentials of a caller; plain ones where there are no files.
func (f *files) credentials() (credentials.TransportCredentials, error) {
	if f == nil {
		return insecure.NewCredentials(), nil
	}
	own, err := tls.LoadX509KeyPair(f.Certificates, f.Key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(f.Roots)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("roots: expected certificates")
	}
	return credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{own},
		RootCAs:      roots,
		ServerName:   f.Name,
		MinVersion:   tls.VersionTLS13,
	}), nil
}
