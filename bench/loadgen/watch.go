package main

import (
	"context"
	"time"

	"google.golang.org/grpc"
)

// watch opens a stream of the server's and listens until the load is over. Each message
// counts as a call; its latency is the time since the one before.
func (l *load) watch(c *caller) {
	var t trace
	ctx, cancel := context.WithCancel(traced(&t))
	defer cancel()
	go func() { <-l.over; cancel() }()
	if err := l.listen(ctx, c); err != nil && !l.isOver() {
		c.record.add(l, time.Now(), t.outcome(err), err, nil)
	}
}

func (l *load) listen(ctx context.Context, c *caller) error {
	conn := c.conns[c.next.Add(1)%uint64(len(c.conns))]
	description := &grpc.StreamDesc{ServerStreams: true}
	begun := time.Now()
	messages, err := conn.NewStream(ctx, description, l.Method, grpc.ForceCodec(rawCodec{}))
	if err != nil {
		return err
	}
	body := l.questions.take()
	if err := messages.SendMsg(&body); err != nil {
		return err
	}
	if err := messages.CloseSend(); err != nil {
		return err
	}
	for {
		var message []byte
		if err := messages.RecvMsg(&message); err != nil {
			return err // io.EOF too: the server ended what goes on
		}
		c.record.add(l, begun, answered, nil, message)
		begun = time.Now()
	}
}
