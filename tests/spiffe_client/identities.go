package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

type identity struct {
	ID       string    `json:"id"`
	Hint     string    `json:"hint"`
	Serial   string    `json:"serial"`
	NotAfter time.Time `json:"not_after"`
}

type context509 struct {
	SVIDs   []identity     `json:"svids"`
	Bundles map[string]int `json:"bundles"`
}

// x509 tells the identities, each verified with the bundles that came with it.
func x509(ctx context.Context, client *workloadapi.Client, _ settings) error {
	found, err := client.FetchX509Context(ctx)
	if err != nil {
		return refused(err)
	}
	told, err := tell(found)
	if err != nil {
		return err
	}
	return say(told)
}

func tell(found *workloadapi.X509Context) (context509, error) {
	told := context509{Bundles: map[string]int{}}
	for _, svid := range found.SVIDs {
		id, _, err := x509svid.Verify(svid.Certificates, found.Bundles)
		if err != nil {
			return told, err
		}
		if id != svid.ID {
			return told, fmt.Errorf("%s is the SVID of %s", svid.ID, id)
		}
		leaf := svid.Certificates[0]
		told.SVIDs = append(told.SVIDs, identity{
			ID: id.String(), Hint: svid.Hint, Serial: leaf.SerialNumber.String(), NotAfter: leaf.NotAfter,
		})
	}
	for _, bundle := range found.Bundles.Bundles() {
		told.Bundles[bundle.TrustDomain().Name()] = len(bundle.X509Authorities())
	}
	return told, nil
}

type token struct {
	ID       string    `json:"id"`
	Audience []string  `json:"audience"`
	Expiry   time.Time `json:"expiry"`
	Token    string    `json:"token"`
}

// jwt tells tokens, each validated with the JWT bundles, as a peer offline does.
func jwt(ctx context.Context, client *workloadapi.Client, chosen settings) error {
	parameters := jwtsvid.Params{Audience: chosen.audiences[0], ExtraAudiences: chosen.audiences[1:]}
	if chosen.id != "" {
		parameters.Subject = spiffeid.RequireFromString(chosen.id)
	}
	svids, err := client.FetchJWTSVIDs(ctx, parameters)
	if err != nil {
		return refused(err)
	}
	bundles, err := client.FetchJWTBundles(ctx)
	if err != nil {
		return refused(err)
	}
	for _, svid := range svids {
		validated, err := jwtsvid.ParseAndValidate(svid.Marshal(), bundles, chosen.audiences[:1])
		if err != nil {
			return err
		}
		told := token{validated.ID.String(), validated.Audience, validated.Expiry, svid.Marshal()}
		if err := say(told); err != nil {
			return err
		}
	}
	return nil
}

// validate tells whose token it is that comes on standard input.
func validate(ctx context.Context, client *workloadapi.Client, chosen settings) error {
	read, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	svid, err := client.ValidateJWTSVID(ctx, strings.TrimSpace(string(read)), chosen.audiences[0])
	if err != nil {
		return refused(err)
	}
	return say(map[string]any{"id": svid.ID.String(), "claims": svid.Claims})
}
