package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// How often a socket is tried that does not answer.
const poll = 5 * time.Millisecond

// waited says how long it took until all sockets answered.
type waited struct {
	Seconds float64 `json:"seconds"`
}

// waitForAll returns when the health service of every socket has answered SERVING.
func waitForAll(sockets []string, timeout time.Duration) (*waited, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	results := make(chan error, len(sockets))
	for _, socket := range sockets {
		go func() { results <- waitFor(ctx, socket) }()
	}
	var failures []error
	for range sockets {
		failures = append(failures, <-results)
	}
	return &waited{time.Since(start).Seconds()}, errors.Join(failures...)
}

func waitFor(ctx context.Context, socket string) error {
	conn, err := dial(socket, insecure.NewCredentials(), grpc.WithConnectParams(grpc.ConnectParams{
		Backoff: backoff.Config{BaseDelay: poll, Multiplier: 1, MaxDelay: poll},
	}))
	if err != nil {
		return fmt.Errorf("socket %s: %w", socket, err)
	}
	defer conn.Close()
	health := grpc_health_v1.NewHealthClient(conn)
	for {
		answer, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
		if err == nil && answer.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("socket %s: not serving in time: %s, %w", socket, answer.GetStatus(), err)
		}
		time.Sleep(poll)
	}
}
