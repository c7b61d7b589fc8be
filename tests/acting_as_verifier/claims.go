package main

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

const (
	maxActors = 8
	maxTime   = 253402300799
)

var (
	required   = []string{"iss", "sub", "sub_iss", "act", "aud", "iat", "exp", "jti", "txn", "dep", "mdp", "pol"}
	optional   = []string{"scope", "authorization_details", "cnf", "htm", "htu", "htq", "cdg", "pth", "evd", "kya"}
	scopeToken = regexp.MustCompile(`\A[\x21\x23-\x5b\x5d-\x7e]{1,256}\z`)
	method     = regexp.MustCompile(`\A[A-Z]{1,32}\z`)
	bodyDigest = regexp.MustCompile(`\Asha-256=:[A-Za-z0-9+/]{43}=:\z`)
)

// claims are what a token says, read in one form. Whatever is not of it sets bad.
type claims struct {
	members                               map[string]any
	bad                                   bool
	issuer, audience, jti, txn            string
	user                                  person
	actors, scopes                        []string
	issued, expires, maxDepth, level      int64
	certificate, method, uri, query, body string
	parent                                string
}

func readClaims(payload []byte) (*claims, error) {
	members, err := object(payload)
	c := &claims{members: members}
	if err != nil {
		return nil, reason("CLAIMS")
	}
	c.check(c.known())
	c.issuer, c.audience = c.workload(members["iss"]), c.workload(members["aud"])
	c.user = person{c.printable(members["sub_iss"]), c.printable(members["sub"])}
	c.check(!strings.Contains(c.user.Issuer, "#"))
	c.issued, c.expires = c.number(members["iat"], 0, maxTime), c.number(members["exp"], 0, maxTime)
	c.jti, c.txn = c.id(members["jti"]), c.text(members["txn"], 128)
	c.maxDepth = c.number(members["mdp"], 1, maxActors)
	c.readActors()
	c.readPermissions()
	c.readTies()
	c.readRest()
	if c.bad {
		return nil, reason("CLAIMS")
	}
	return c, nil
}

func (c *claims) check(holds bool) { c.bad = c.bad || !holds }

func (c *claims) has(name string) bool { _, ok := c.members[name]; return ok }

func (c *claims) known() bool {
	for name := range c.members {
		if !slices.Contains(required, name) && !slices.Contains(optional, name) {
			return false
		}
	}
	return !slices.ContainsFunc(required, func(name string) bool { return !c.has(name) })
}

func (c *claims) text(value any, limit int) string {
	text, ok := value.(string)
	c.check(ok && text != "" && len(text) <= limit)
	c.check(!strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }))
	return text
}

func (c *claims) printable(value any) string {
	text := c.text(value, 1024)
	c.check(!strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }))
	return text
}

func (c *claims) number(value any, least, most int64) int64 {
	number, ok := value.(json.Number)
	found, err := number.Int64()
	c.check(ok && err == nil && least <= found && found <= most)
	return found
}

func (c *claims) workload(value any) string {
	text, _ := value.(string)
	id, err := spiffeid.FromString(text)
	c.check(err == nil && id.Path() != "" && len(text) <= 2048 && len(id.TrustDomain().Name()) <= 255)
	return text
}

func (c *claims) digest(value any) string { return c.bytes(value, 32) }

func (c *claims) id(value any) string { return c.bytes(value, 16) }

func (c *claims) bytes(value any, size int) string {
	text, _ := value.(string)
	found, err := base64.RawURLEncoding.Strict().DecodeString(text)
	c.check(err == nil && len(found) == size)
	return text
}

func (c *claims) object(value any, names ...string) map[string]any {
	members, _ := value.(map[string]any)
	c.check(len(members) == len(names))
	for _, name := range names {
		_, ok := members[name]
		c.check(ok)
	}
	return members
}

func (c *claims) list(value any, most int) []any {
	found, _ := value.([]any)
	c.check(1 <= len(found) && len(found) <= most)
	return found
}

func (c *claims) readActors() {
	act := c.members["act"]
	for more := true; more && !c.bad; {
		members, _ := act.(map[string]any)
		if act, more = members["act"]; more {
			c.object(members, "sub", "act")
		} else {
			c.object(members, "sub")
		}
		c.actors = append(c.actors, c.workload(members["sub"]))
		c.check(len(c.actors) <= maxActors)
	}
	c.check(c.number(c.members["dep"], 1, maxActors) == int64(len(c.actors)))
}

func (c *claims) readPermissions() {
	c.scopes = []string{}
	if c.has("scope") {
		text, _ := c.members["scope"].(string)
		c.scopes = strings.Split(text, " ")
		sorted := slices.Compact(slices.Sorted(slices.Values(c.scopes)))
		c.check(slices.Equal(sorted, c.scopes) && len(c.scopes) <= 64)
		c.check(!slices.ContainsFunc(c.scopes, func(one string) bool { return !scopeToken.MatchString(one) }))
	}
	if !c.has("authorization_details") {
		return
	}
	for _, one := range c.list(c.members["authorization_details"], 16) {
		detail := c.object(one, "type", "actions", "locations", "tools")
		c.check(detail["type"] == "mcp_tool")
		for _, name := range []string{"actions", "locations", "tools"} {
			seen := map[string]bool{}
			for _, value := range c.list(detail[name], 64) {
				text := c.text(value, 512)
				c.check(!seen[text])
				seen[text] = true
			}
		}
	}
}

func (c *claims) readTies() {
	if c.has("cnf") {
		c.certificate = c.digest(c.object(c.members["cnf"], "x5t#S256")["x5t#S256"])
	}
	if c.has("htm") || c.has("htu") || c.has("htq") || c.has("cdg") {
		c.method, _ = c.members["htm"].(string)
		c.uri, _ = c.members["htu"].(string)
		place, query, err := canonical(c.uri)
		c.check(method.MatchString(c.method) && err == nil && place == c.uri && query == "")
	}
	if c.has("htq") {
		c.query = c.digest(c.members["htq"])
	}
	if c.has("cdg") {
		c.body, _ = c.members["cdg"].(string)
		c.check(bodyDigest.MatchString(c.body))
		_, err := base64.StdEncoding.Strict().DecodeString(strings.Trim(c.body[min(len(c.body), 8):], ":"))
		c.check(err == nil)
	}
}

func (c *claims) readRest() {
	ruled := c.object(c.members["pol"], "dig", "dec")
	c.text(ruled["dig"], 256)
	c.text(ruled["dec"], 256)
	if c.has("pth") {
		c.parent = c.digest(c.members["pth"])
	}
	if c.has("evd") {
		for _, one := range c.list(c.members["evd"], 4) {
			evidence := c.object(one, "typ", "dig", "iss", "exp")
			c.text(evidence["typ"], 256)
			c.digest(evidence["dig"])
			c.text(evidence["iss"], 1024)
			c.number(evidence["exp"], 0, maxTime)
		}
	}
	if c.has("kya") {
		known := c.object(c.members["kya"], "lvl", "jti", "dig")
		c.level = c.number(known["lvl"], 0, 3)
		c.id(known["jti"])
		c.digest(known["dig"])
	}
}
