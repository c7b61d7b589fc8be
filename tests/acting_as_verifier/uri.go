package main

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"regexp"
	"slices"
	"strings"
)

var (
	errURI = errors.New("no URI of HTTP in its one spelling")
	uri    = regexp.MustCompile(`\A([Hh][Tt][Tt][Pp][Ss]?)://` +
		`([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])` +
		`(?::([1-9][0-9]{0,4}))?(/[!-"$->@-~]*)?(?:\?([!-"$-~]*))?\z`)
	escape = regexp.MustCompile(`%..?|%\z`)
	hex    = regexp.MustCompile(`\A%[0-9A-F]{2}\z`)
)

const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/\\"

// canonical is a URI in its one spelling without its query, and the digest of that.
func canonical(text string) (place, query string, err error) {
	found := uri.FindStringSubmatch(text)
	if found == nil {
		return "", "", errURI
	}
	scheme, port, path := strings.ToLower(found[1]), found[3], found[4]
	place = scheme + "://" + strings.ToLower(found[2])
	if port != "" && port != map[string]string{"http": "80", "https": "443"}[scheme] {
		place += ":" + port
	}
	if path == "" {
		path = "/"
	}
	segments := strings.Split(path, "/")
	inner := segments[1 : len(segments)-1]
	if slices.Contains(segments, ".") || slices.Contains(segments, "..") || slices.Contains(inner, "") {
		return "", "", errURI
	}
	for _, one := range escape.FindAllString(path, -1) {
		if !hex.MatchString(one) || strings.ContainsRune(unreserved, unescaped(one)) {
			return "", "", errURI
		}
	}
	if strings.Contains(path, "\\") || len(place+path) > 1024 {
		return "", "", errURI
	}
	if found[5] != "" {
		query = digest([]byte(found[5]))
	}
	return place + path, query, nil
}

func unescaped(text string) rune {
	const digits = "0123456789ABCDEF"
	return rune(strings.IndexByte(digits, text[1])<<4 | strings.IndexByte(digits, text[2]))
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
