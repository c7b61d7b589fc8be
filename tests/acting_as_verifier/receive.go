package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

const (
	maxBytes = 8192
	skew     = 60
	longest  = 300
	kind     = "acting-as+jwt"
)

var (
	algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.PS256, jose.RS256}
	levels     = []string{"UNSAFE_NONE", "CALLER", "REQUEST", "BODY"}
)

type bundleSet = *x509bundle.Set

func trust(found map[string][]string) (bundleSet, error) {
	set := x509bundle.NewSet()
	for name, texts := range found {
		domain, err := spiffeid.TrustDomainFromString(name)
		if err != nil {
			return nil, err
		}
		bundle := x509bundle.New(domain)
		ders, err := decode(texts)
		if err != nil {
			return nil, err
		}
		for _, der := range ders {
			authority, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, err
			}
			bundle.AddX509Authority(authority)
		}
		set.Add(bundle)
	}
	return set, nil
}

type receiver struct {
	bundles  bundleSet
	expected expectations
	used     map[string]bool
}

// receive says what a token that is taken says, or the reason why it is not: steps 1 to 13.
func (r *receiver) receive(token string, came arrival, now time.Time) (*accepted, error) {
	leaf, end, payload, err := r.open(token, now)
	if err != nil {
		return nil, err
	}
	c, err := readClaims(payload)
	if err != nil {
		return nil, err
	}
	if c.issuer != leaf.String() {
		return nil, reason("ISSUER")
	}
	level := ""
	for _, step := range []func() reason{
		func() reason { return r.allowed(c, leaf) },
		func() reason { return r.inTime(c, now.Unix(), end) },
		func() reason { return tiedTo(c, came) },
		func() reason { level = levelOf(c, came); return r.enough(level) },
		func() reason { return r.once(c) },
		func() reason { return chain(c) },
		func() reason { return r.revoked(c) },
	} {
		if why := step(); why != "" {
			return nil, why
		}
	}
	return &accepted{c.user, c.actors, c.scopes, level, c.txn, c.expires, c.level}, nil
}

// open does steps 1 to 5: who signed it, until when, and what.
func (r *receiver) open(token string, now time.Time) (leaf spiffeid.ID, end time.Time, payload []byte, err error) {
	parts := strings.Split(token, ".")
	if len(token) > maxBytes || len(parts) != 3 {
		return leaf, end, nil, reason("FORM")
	}
	var decoded [3][]byte
	for index, part := range parts {
		found, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || len(found) == 0 {
			return leaf, end, nil, reason("FORM")
		}
		decoded[index] = found
	}
	certificates, algorithm, err := readHeader(decoded[0])
	if err != nil {
		return leaf, end, nil, err
	}
	parsed := make([]*x509.Certificate, len(certificates))
	for index, der := range certificates {
		if parsed[index], err = x509.ParseCertificate(der); err != nil {
			return leaf, end, nil, reason("SIGNER")
		}
	}
	id, chains, err := x509svid.Verify(parsed, r.bundles, x509svid.WithTime(now))
	if err != nil || parsed[0].KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return leaf, end, nil, reason("SIGNER")
	}
	if !slices.Contains(algorithmsOf(parsed[0]), algorithm) {
		return leaf, end, nil, reason("ALGORITHM")
	}
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return leaf, end, nil, reason("SIGNATURE")
	}
	payload, err = signed.Verify(parsed[0].PublicKey)
	if err != nil {
		return leaf, end, nil, reason("SIGNATURE")
	}
	return id, earliest(chains[0]), payload, nil
}

func readHeader(text []byte) ([][]byte, string, error) {
	header, err := object(text)
	if err != nil || len(header) != 3 {
		return nil, "", reason("HEADER")
	}
	for _, name := range []string{"alg", "typ", "x5c"} {
		if _, ok := header[name]; !ok {
			return nil, "", reason("HEADER")
		}
	}
	if header["typ"] != kind {
		return nil, "", reason("TYPE")
	}
	algorithm, _ := header["alg"].(string)
	if !slices.Contains(algorithms, jose.SignatureAlgorithm(algorithm)) {
		return nil, "", reason("ALGORITHM")
	}
	listed, _ := header["x5c"].([]any)
	texts := []string{}
	for _, one := range listed {
		text, ok := one.(string)
		if !ok || strings.ContainsAny(text, "\r\n") {
			return nil, "", reason("CHAIN")
		}
		texts = append(texts, text)
	}
	ders, err := decode(texts)
	if err != nil || len(ders) < 1 || len(ders) > 5 {
		return nil, "", reason("CHAIN")
	}
	return ders, algorithm, nil
}

func algorithmsOf(leaf *x509.Certificate) []string {
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		return []string{"PS256", "RS256"}
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return []string{"ES256"}
		case elliptic.P384():
			return []string{"ES384"}
		}
	}
	return nil
}

func earliest(chain []*x509.Certificate) time.Time {
	end := chain[0].NotAfter
	for _, one := range chain {
		if one.NotAfter.Before(end) {
			end = one.NotAfter
		}
	}
	return end
}

func (r *receiver) allowed(c *claims, leaf spiffeid.ID) reason {
	listed, domains := false, map[string]bool{}
	for _, rule := range r.expected.Issuers {
		if c.issuer == rule.Prefix || strings.HasPrefix(c.issuer, rule.Prefix+"/") {
			listed, domains[leaf.TrustDomain().Name()] = true, true
			for _, name := range rule.AlsoFor {
				domains[name] = true
			}
		}
	}
	if !listed {
		return "ISSUER_NOT_ALLOWED"
	}
	for _, actor := range c.actors {
		if !domains[spiffeid.RequireFromString(actor).TrustDomain().Name()] {
			return "ACTOR_NOT_ISSUERS"
		}
	}
	if !slices.Contains(r.expected.Audiences, c.audience) {
		return "AUDIENCE"
	}
	return ""
}

func (r *receiver) inTime(c *claims, now int64, end time.Time) reason {
	switch {
	case c.issued > now+skew:
		return "NOT_YET_VALID"
	case c.expires+skew <= now:
		return "EXPIRED"
	case c.expires <= c.issued || c.expires-c.issued > longest:
		return "LIFETIME"
	case c.expires > end.Unix():
		return "OUTLIVES_SIGNER"
	}
	return ""
}

func tiedTo(c *claims, came arrival) reason {
	if c.method != "" {
		if came.Request == nil || came.Request.Method != c.method {
			return "REQUEST_METHOD"
		}
		place, query, err := canonical(came.Request.URI)
		if err != nil || place != c.uri || query != c.query {
			return "REQUEST_URI"
		}
		if c.body != "" && !sameBody(c.body, came.Request.Body) {
			return "REQUEST_BODY"
		}
	}
	if came.Peer != nil && *came.Peer != c.actors[0] {
		return "CALLER"
	}
	if c.certificate != "" && (came.Certificate == nil || *came.Certificate != c.certificate) {
		return "CALLER_CERTIFICATE"
	}
	return ""
}

func sameBody(wanted string, encoded *string) bool {
	if encoded == nil {
		return false
	}
	body, err := base64.StdEncoding.DecodeString(*encoded)
	sum := sha256.Sum256(body)
	return err == nil && wanted == "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":"
}

func levelOf(c *claims, came arrival) string {
	switch {
	case came.Peer == nil:
		return "UNSAFE_NONE"
	case c.method == "":
		return "CALLER"
	case c.body == "":
		return "REQUEST"
	}
	return "BODY"
}

func (r *receiver) enough(level string) reason {
	if slices.Index(levels, level) < slices.Index(levels, r.expected.LeastBinding) {
		return "BINDING_TOO_WEAK"
	}
	return ""
}

func (r *receiver) once(c *claims) reason {
	key := c.issuer + " " + c.jti
	if r.used[key] {
		return "REPLAYED"
	}
	r.used[key] = true
	return ""
}

func chain(c *claims) reason {
	switch {
	case int64(len(c.actors)) > c.maxDepth:
		return "DEPTH"
	case len(slices.Compact(slices.Sorted(slices.Values(c.actors)))) != len(c.actors):
		return "LOOP"
	case (c.parent != "") != (len(c.actors) > 1):
		return "PARENT"
	}
	return ""
}

func (r *receiver) revoked(c *claims) reason {
	listed := r.expected.Revoked
	anybody := append([]string{c.issuer}, c.actors...)
	if slices.Contains(listed.Transactions, c.txn) || slices.Contains(listed.Tokens, c.jti) ||
		slices.Contains(listed.Users, c.user) ||
		slices.ContainsFunc(anybody, func(id string) bool { return slices.Contains(listed.Workloads, id) }) {
		return "REVOKED"
	}
	return ""
}
