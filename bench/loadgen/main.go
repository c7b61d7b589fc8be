// Loadgen is the client of the bench: it calls one gRPC method over Unix sockets and says
// how long the answers took and what they cost the server.
//
//	loadgen load -socket PATH -method NAME [-bodies FILE] [-in-flight N | -rate N] ...
//	loadgen wait -timeout 20s PATH...
//
// It knows no schema: requests are bytes from a file, answers stay bytes. The result is one
// JSON object on standard output.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
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
		result, err = runLoad(rest)
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

// paths is a flag that may be given several times.
type paths []string

func (p *paths) String() string { return strings.Join(*p, ",") }

func (p *paths) Set(path string) error {
	*p = append(*p, path)
	return nil
}

func runLoad(arguments []string) (*report, error) {
	var p plan
	var bodies string
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	flags.Var((*paths)(&p.sockets), "socket", "socket of a caller; may be repeated")
	flags.StringVar(&p.method, "method", "/grpc.health.v1.Health/Check", "full method name")
	flags.StringVar(&bodies, "bodies", "", "requests, each after its length as four bytes, big endian; used in turn")
	flags.IntVar(&p.inFlight, "in-flight", 1, "closed loop: calls in flight")
	flags.Float64Var(&p.rate, "rate", 0, "open loop: calls a second, whatever the answers do")
	flags.DurationVar(&p.warm, "warm", 500*time.Millisecond, "load before the measured time")
	flags.DurationVar(&p.measured, "measured", 3*time.Second, "measured time")
	flags.IntVar(&p.pid, "pid", 0, "process whose CPU time is read; 0 for none")
	flags.BoolVar(&p.untilRefused, "until-refused", false, "closed loop: a caller that is refused ends")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	if len(p.sockets) == 0 {
		return nil, errors.New("socket: expected at least one")
	}
	var err error
	if p.bodies, err = readBodies(bodies); err != nil {
		return nil, fmt.Errorf("bodies: %w", err)
	}
	return p.run()
}

func runWait(arguments []string) (*waited, error) {
	flags := flag.NewFlagSet("wait", flag.ExitOnError)
	timeout := flags.Duration("timeout", 20*time.Second, "how long to wait for all sockets")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	return waitForAll(flags.Args(), *timeout)
}
