// Loadgen is the client of the bench: it calls one gRPC method over Unix sockets and says
// how long the answers took and what they cost the server.
//
//	loadgen load <plan.json
//	loadgen wait -timeout 20s PATH...
//
// It knows no schema but EvaluateStream's frame: requests are bytes from a file, answers stay
// bytes. The result is one JSON object on standard output.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("expected a command: load or wait")
	}
	var result any
	var err error
	switch command, rest := arguments[0], arguments[1:]; command {
	case "load":
		result, err = runLoad()
	case "wait":
		result, err = runWait(rest)
	default:
		err = fmt.Errorf("unknown command %q", command)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func runLoad() (*report, error) {
	p, told, err := readPlan(os.Stdin)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return p.run(told)
}

func runWait(arguments []string) (*waited, error) {
	flags := flag.NewFlagSet("wait", flag.ExitOnError)
	timeout := flags.Duration("timeout", 20*time.Second, "how long to wait for all sockets")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	return waitForAll(flags.Args(), *timeout)
}
