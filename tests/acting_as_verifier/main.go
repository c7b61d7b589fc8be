// Acting_as_verifier is a receiver of acting-as tokens. It shares no code with governd: what it
// knows is docs/delegation.md, go-jose, go-spiffe and a trust bundle.
//
//	acting_as_verifier <suite.json
//
// It reads a file of conformance vectors and says in JSON, one object a line, what becomes of
// each: {"id": ..., "accepted": {...}} or {"id": ..., "rejected": {"reason": ...}}. Vectors
// about extending are passed over: receivers extend nothing.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

type suite struct {
	Bundles map[string][]string `json:"bundles"`
	Vectors []vector            `json:"vectors"`
}

type vector struct {
	ID           string       `json:"id"`
	Now          int64        `json:"now"`
	Expectations expectations `json:"expectations"`
	Arrival      arrival      `json:"arrival"`
	Before       []string     `json:"before"`
	Presented    carried      `json:"presented"`
	Parent       string       `json:"parent"`
}

type person struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

type expectations struct {
	Audiences []string `json:"audiences"`
	Issuers   []struct {
		Prefix  string   `json:"prefix"`
		AlsoFor []string `json:"also_for"`
	} `json:"issuers"`
	LeastBinding string `json:"least_binding"`
	Revoked      struct {
		Transactions []string `json:"transactions"`
		Tokens       []string `json:"tokens"`
		Users        []person `json:"users"`
		Workloads    []string `json:"workloads"`
	} `json:"revoked"`
}

type arrival struct {
	Peer        *string `json:"peer"`
	Certificate *string `json:"peer_certificate"`
	Request     *struct {
		Method string  `json:"method"`
		URI    string  `json:"uri"`
		Body   *string `json:"body_base64"`
	} `json:"request"`
}

type told struct {
	ID       string    `json:"id"`
	Accepted *accepted `json:"accepted,omitempty"`
	Rejected *rejected `json:"rejected,omitempty"`
}

type accepted struct {
	User        person   `json:"user"`
	Actors      []string `json:"actors"`
	Scopes      []string `json:"scopes"`
	Binding     string   `json:"binding"`
	Transaction string   `json:"transaction"`
	ExpiresAt   int64    `json:"expires_at"`
	KYALevel    int64    `json:"kya_level"`
}

type rejected struct {
	Reason string `json:"reason"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "acting_as_verifier:", err)
		os.Exit(1)
	}
}

func run() error {
	var read suite
	if err := json.NewDecoder(os.Stdin).Decode(&read); err != nil {
		return err
	}
	bundles, err := trust(read.Bundles)
	if err != nil {
		return err
	}
	say := json.NewEncoder(os.Stdout)
	for _, one := range read.Vectors {
		if one.Parent != "" {
			continue
		}
		if err := say.Encode(one.answer(bundles)); err != nil {
			return err
		}
	}
	return nil
}

func (v vector) answer(bundles bundleSet) told {
	receiver := receiver{bundles: bundles, expected: v.Expectations, used: map[string]bool{}}
	now := time.Unix(v.Now, 0)
	for _, token := range v.Before {
		_, _ = receiver.receive(token, v.Arrival, now)
	}
	token, err := v.Presented.token()
	if err == nil {
		var found *accepted
		if found, err = receiver.receive(token, v.Arrival, now); err == nil {
			return told{ID: v.ID, Accepted: found}
		}
	}
	return told{ID: v.ID, Rejected: &rejected{err.Error()}}
}

func decode(texts []string) ([][]byte, error) {
	found := make([][]byte, len(texts))
	for index, text := range texts {
		der, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return nil, err
		}
		found[index] = der
	}
	return found, nil
}
