package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
)

// plan says what load to put on which sockets.
type plan struct {
	sockets        []string
	method         string
	bodies         [][]byte
	inFlight       int
	rate           float64
	warm, measured time.Duration
	pid            int
	untilRefused   bool
}

// load is a plan that runs.
type load struct {
	plan
	conns  []*grpc.ClientConn
	next   atomic.Uint64
	record *recorder
	end    time.Time
}

func (p plan) run() (*report, error) {
	conns := make([]*grpc.ClientConn, len(p.sockets))
	for i, socket := range p.sockets {
		conn, err := dial(socket, grpc.WithStatsHandler(tracer{}))
		if err != nil {
			return nil, fmt.Errorf("socket %s: %w", socket, err)
		}
		defer conn.Close()
		conns[i] = conn
	}
	start := time.Now().Add(p.warm)
	end := start.Add(p.measured)
	l := &load{plan: p, conns: conns, end: end, record: &recorder{start: start, end: end}}
	cpu := make(chan cost, 1)
	go func() { cpu <- l.watchServer(start) }()
	if p.rate > 0 {
		l.open()
	} else {
		l.closed()
	}
	return l.record.report(<-cpu)
}

// closed keeps so many calls in flight: each caller asks again when it is answered.
func (l *load) closed() {
	var callers sync.WaitGroup
	for range l.inFlight {
		callers.Go(func() {
			var reply []byte
			for now := time.Now(); now.Before(l.end); now = time.Now() {
				if l.call(now, &reply) == refused && l.untilRefused {
					return
				}
			}
		})
	}
	callers.Wait()
}

// open sends at evenly spaced times, whatever the answers do. A call's latency counts from
// the time at which it should have been sent, so that a server that stalls pays for the
// calls that it held up, and so do we for being late.
func (l *load) open() {
	var calls sync.WaitGroup
	gap := time.Duration(float64(time.Second) / l.rate)
	for due := time.Now(); due.Before(l.end); due = due.Add(gap) {
		sleepUntil(due)
		calls.Go(func() {
			var reply []byte
			l.call(due, &reply)
		})
	}
	calls.Wait()
}

// sleepUntil is exact to some 60 µs; time.Sleep waits in milliseconds when all else is idle.
func sleepUntil(due time.Time) {
	for wait := time.Until(due); wait > 0; wait = time.Until(due) {
		pause := syscall.NsecToTimespec(int64(wait))
		_ = syscall.Nanosleep(&pause, nil) // interrupted: the loop sleeps again
	}
}

func (l *load) call(begun time.Time, reply *[]byte) outcome {
	i := l.next.Add(1)
	conn := l.conns[i%uint64(len(l.conns))]
	body := l.bodies[i%uint64(len(l.bodies))]
	result, err := invoke(conn, l.method, body, reply)
	l.record.add(begun, time.Now(), result, err, *reply)
	return result
}

// watchServer reads the server's CPU time over the measured time.
func (l *load) watchServer(start time.Time) cost {
	if l.pid == 0 {
		return cost{}
	}
	time.Sleep(time.Until(start))
	before, err := cpuTime(l.pid)
	if err != nil {
		return cost{err: err}
	}
	time.Sleep(time.Until(l.end))
	after, err := cpuTime(l.pid)
	return cost{cpu: after - before, err: err}
}
