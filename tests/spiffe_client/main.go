// Spiffe_client is a workload that knows SPIFFE and nothing of governd. It says in JSON, one
// object a line, what the Workload API on a socket gives to it.
//
//	spiffe_client x509 -socket unix:///governd/governd.sock
//	spiffe_client jwt -socket ... -audience bank [-audience shop] [-id SPIFFE-ID]
//	spiffe_client validate -socket ... -audience bank <token
//	spiffe_client watch -socket ...
//
// A call that is refused is told as {"code": "PermissionDenied", "message": ...}.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/status"
)

const patience = 20 * time.Second

type settings struct {
	audiences list
	id        string
}

type command func(context.Context, *workloadapi.Client, settings) error

var commands = map[string]command{"x509": x509, "jwt": jwt, "validate": validate, "watch": watch}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "spiffe_client:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 || commands[arguments[0]] == nil {
		return fmt.Errorf("expected a command: x509, jwt, validate or watch")
	}
	var chosen settings
	flags := flag.NewFlagSet(arguments[0], flag.ContinueOnError)
	socket := flags.String("socket", "", "address of the Workload API")
	flags.Var(&chosen.audiences, "audience", "who accepts the token; may come again")
	flags.StringVar(&chosen.id, "id", "", "the SPIFFE ID to have a token for")
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(*socket))
	if err != nil {
		return err
	}
	defer client.Close()
	return commands[arguments[0]](ctx, client, chosen)
}

// say writes one line.
func say(what any) error {
	return json.NewEncoder(os.Stdout).Encode(what)
}

// refused tells a status, and what is no status as an error.
func refused(err error) error {
	found, ok := status.FromError(err)
	if !ok {
		return err
	}
	return say(map[string]string{"code": found.Code().String(), "message": found.Message()})
}

type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}
