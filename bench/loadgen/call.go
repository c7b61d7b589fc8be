package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// Of every call: an answer that does not come must not hold up the bench.
const deadline = 5 * time.Second

// rawCodec passes messages as they are: *[]byte in, *[]byte out.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(message any) ([]byte, error) {
	body, ok := message.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("expected *[]byte, not %T", message)
	}
	return *body, nil
}

func (rawCodec) Unmarshal(data []byte, message any) error {
	body, ok := message.(*[]byte)
	if !ok {
		return fmt.Errorf("expected *[]byte, not %T", message)
	}
	*body = append((*body)[:0], data...)
	return nil
}

// outcome of a call, as its caller sees it.
type outcome int

const (
	// The server answered with status OK.
	answered outcome = iota
	// The call never began: nothing listened, or the server said UNAVAILABLE, come back.
	refused
	// The server answered with any other status.
	failed
	// The request went out and no answer of the server's came back.
	lost
)

// trace follows one call through the transport, the only place that knows whether a
// request went out.
type trace struct {
	sent    atomic.Bool
	trailer atomic.Bool
}

func (t *trace) outcome(err error) outcome {
	switch {
	case err == nil:
		return answered
	case t.sent.Load() && !t.trailer.Load():
		return lost
	case status.Code(err) == codes.Unavailable:
		return refused
	default:
		return failed
	}
}

type traceKey struct{}

// traced is a context whose call fills in the trace.
func traced(t *trace) context.Context {
	return context.WithValue(context.Background(), traceKey{}, t)
}

// tracer fills in the trace of each call.
type tracer struct{}

// TagRPC runs at each attempt. gRPC makes another one only where the server said that it
// has not looked at the first, so what counts is the last.
func (tracer) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	if t, ok := ctx.Value(traceKey{}).(*trace); ok {
		t.sent.Store(false)
		t.trailer.Store(false)
	}
	return ctx
}

func (tracer) HandleRPC(ctx context.Context, event stats.RPCStats) {
	t, ok := ctx.Value(traceKey{}).(*trace)
	if !ok {
		return
	}
	switch event.(type) {
	case *stats.OutHeader:
		t.sent.Store(true)
	case *stats.InTrailer:
		t.trailer.Store(true)
	}
}

func (tracer) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (tracer) HandleConn(context.Context, stats.ConnStats) {}

func dial(socket string, security credentials.TransportCredentials, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	options = append(options, grpc.WithTransportCredentials(security))
	return grpc.NewClient("unix:"+socket, options...)
}

// invoke makes one call; the answer lands in reply.
func invoke(conn *grpc.ClientConn, method string, body []byte, reply *[]byte) (outcome, error) {
	var t trace
	ctx, cancel := context.WithTimeout(traced(&t), deadline)
	defer cancel()
	err := conn.Invoke(ctx, method, &body, reply, grpc.ForceCodec(rawCodec{}))
	return t.outcome(err), err
}
