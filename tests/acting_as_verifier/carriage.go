package main

import (
	"regexp"
	"strings"
)

const (
	name      = "acting-as-token"
	meta      = "io.governd/acting-as-token"
	extension = "https://governd.io/ext/acting-as/v1"
)

// reason is why a token is rejected: a RejectionReason of delegation_service.proto.
type reason string

func (r reason) Error() string { return string(r) }

var tokenText = regexp.MustCompile(`\A[A-Za-z0-9_.-]+\z`)

// carried is what may carry a token; "token" is one that was taken out already.
type carried struct {
	Token   *string        `json:"token"`
	Headers [][2]string    `json:"headers"`
	Meta    map[string]any `json:"mcp_meta"`
	A2A     map[string]any `json:"a2a_metadata"`
}

// token is the one token in a request. Step 1.
func (c carried) token() (string, error) {
	if c.Token != nil {
		return *c.Token, nil
	}
	var found []any
	for _, header := range c.Headers {
		if strings.ReplaceAll(strings.ToLower(header[0]), "_", "-") != name {
			continue
		}
		if strings.ToLower(header[0]) != name || len(found) > 0 {
			return "", reason("CARRIAGE")
		}
		found = append(found, header[1])
	}
	if value, ok := c.Meta[meta]; ok {
		found = append(found, value)
	}
	if value, ok := c.A2A[extension]; ok {
		members, _ := value.(map[string]any)
		if len(members) != 1 {
			return "", reason("CARRIAGE")
		}
		found = append(found, members["token"])
	}
	return theOne(found)
}

func theOne(found []any) (string, error) {
	var token string
	for _, value := range found {
		text, ok := value.(string)
		if !ok || !tokenText.MatchString(text) || token != "" && text != token {
			return "", reason("CARRIAGE")
		}
		token = text
	}
	return token, nil
}
