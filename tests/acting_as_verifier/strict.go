package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"unicode/utf8"
)

const maxLevels = 64

var (
	errStrict = errors.New("not one JSON object that has one meaning")
	escapes   = regexp.MustCompile(`(?s)\\(?:u[dD][89abAB][[:xdigit:]]{2}\\u[dD][c-fC-F][[:xdigit:]]{2}` +
		`|u[dD][89a-fA-F][[:xdigit:]]{2}|.)`)
)

// object reads one JSON object in which no member comes twice.
func object(text []byte) (map[string]any, error) {
	if !utf8.Valid(text) {
		return nil, errStrict
	}
	decoder := json.NewDecoder(bytes.NewReader(escapes.ReplaceAllFunc(text, halved)))
	decoder.UseNumber()
	found, err := value(decoder, maxLevels)
	if err != nil {
		return nil, err
	}
	members, ok := found.(map[string]any)
	if _, err := decoder.Token(); !ok || err != io.EOF {
		return nil, errStrict
	}
	return members, nil
}

// halved has half a surrogate pair read as NUL, which no text may have. The decoder would read
// it as U+FFFD, which a text may have.
func halved(escape []byte) []byte {
	if len(escape) == len(`\ud800`) && (escape[2] == 'd' || escape[2] == 'D') {
		return []byte(`\u0000`)
	}
	return escape
}

func value(decoder *json.Decoder, levels int) (any, error) {
	token, err := decoder.Token()
	if err != nil || levels == 0 {
		return nil, errStrict
	}
	switch token {
	case json.Delim('{'):
		return members(decoder, levels)
	case json.Delim('['):
		return items(decoder, levels)
	}
	return token, nil
}

func members(decoder *json.Decoder, levels int) (any, error) {
	found := map[string]any{}
	for decoder.More() {
		token, err := decoder.Token()
		name, ok := token.(string)
		if _, twice := found[name]; err != nil || !ok || twice {
			return nil, errStrict
		}
		if found[name], err = value(decoder, levels-1); err != nil {
			return nil, err
		}
	}
	_, err := decoder.Token()
	return found, err
}

func items(decoder *json.Decoder, levels int) (any, error) {
	found := []any{}
	for decoder.More() {
		item, err := value(decoder, levels-1)
		if err != nil {
			return nil, err
		}
		found = append(found, item)
	}
	_, err := decoder.Token()
	return found, err
}
