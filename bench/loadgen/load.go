package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
)

// load is a plan that runs.
type load struct {
	*plan
	questions *questions
	callers   []*caller
	start     time.Time
	over      chan struct{} // closed at the end of the measured time
	stop      func()        // ends it early
	end       time.Time     // set before over is closed
}

// caller is one socket of a group, with connections and counters of its own.
type caller struct {
	group
	socket string
	conns  []*grpc.ClientConn
	next   atomic.Uint64
	record recorder
}

func (p *plan) run(told <-chan struct{}) (*report, error) {
	asked, err := newQuestions(p.Bodies, p.Once)
	if err != nil {
		return nil, fmt.Errorf("bodies: %w", err)
	}
	l := &load{plan: p, questions: asked, over: make(chan struct{})}
	l.stop = sync.OnceFunc(func() { l.end = time.Now(); close(l.over) })
	if err := l.dial(); err != nil {
		return nil, err
	}
	defer l.close()
	l.start = time.Now().Add(seconds(p.Warm))
	time.AfterFunc(seconds(p.Warm+p.Seconds), l.stop)
	if told != nil {
		go func() { <-told; l.stop() }()
	}
	cpu := make(chan cost, 1)
	go func() { cpu <- l.watchServer() }()
	l.work()
	l.stop() // a load may end by itself
	return l.report(<-cpu)
}

func (l *load) dial() error {
	for _, one := range l.Groups {
		for _, socket := range one.Sockets {
			c := &caller{group: one, socket: socket}
			l.callers = append(l.callers, c)
			security, err := one.TLS.credentials()
			if err != nil {
				return fmt.Errorf("group %q: %w", one.Name, err)
			}
			for range one.Connections {
				conn, err := dial(socket, security, grpc.WithStatsHandler(tracer{}))
				if err != nil {
					return fmt.Errorf("socket %s: %w", socket, err)
				}
				c.conns = append(c.conns, conn)
			}
		}
	}
	return nil
}

func (l *load) close() {
	for _, c := range l.callers {
		for _, conn := range c.conns {
			_ = conn.Close() // nothing is in flight any more
		}
	}
}

// work puts the load on and returns when all of it was answered.
func (l *load) work() {
	var working sync.WaitGroup
	first := 0
	for _, one := range l.Groups {
		members := l.callers[first : first+len(one.Sockets)]
		first += len(one.Sockets)
		if one.Rate > 0 && one.Kind == unary {
			working.Go(func() { l.open(members, one.Rate) })
			continue
		}
		for _, c := range members {
			l.closed(c, &working)
		}
	}
	working.Wait()
}

func (l *load) closed(c *caller, working *sync.WaitGroup) {
	switch c.Kind {
	case stream:
		for _, conn := range c.conns {
			for range c.Streams {
				working.Go(func() { newStreamed(l, c).run(conn) })
			}
		}
	case watch:
		for range c.InFlight {
			working.Go(func() { l.watch(c) })
		}
	default:
		for range c.InFlight {
			working.Go(func() { l.ask(c) })
		}
	}
}

// ask keeps one call in flight: the caller asks again when it is answered.
func (l *load) ask(c *caller) {
	var reply []byte
	for !l.isOver() {
		body := l.questions.take()
		if body == nil || (l.call(c, time.Now(), body, &reply) == refused && l.UntilRefused) {
			return
		}
	}
}

// open sends at evenly spaced times, each caller in turn, whatever the answers do. A call's
// latency counts from the time at which it should have been sent, so that a server that
// stalls pays for the calls that it held up, and so do we for being late.
func (l *load) open(callers []*caller, rate float64) {
	var calls sync.WaitGroup
	gap := time.Duration(float64(time.Second) / rate / float64(len(callers)))
	due := time.Now()
	for i := 0; !l.isOver(); i++ {
		sleepUntil(due)
		c, body, begun := callers[i%len(callers)], l.questions.take(), due
		if body == nil {
			break
		}
		calls.Go(func() {
			var reply []byte
			l.call(c, begun, body, &reply)
		})
		due = due.Add(gap)
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

func (l *load) call(c *caller, begun time.Time, body []byte, reply *[]byte) outcome {
	conn := c.conns[c.next.Add(1)%uint64(len(c.conns))]
	result, err := invoke(conn, l.Method, body, reply)
	c.record.add(l, begun, result, err, *reply)
	return result
}

// measures says whether what ends now counts.
func (l *load) measures(now time.Time) bool { return !now.Before(l.start) && !l.isOver() }

func (l *load) isOver() bool {
	select {
	case <-l.over:
		return true
	default:
		return false
	}
}

func seconds(count float64) time.Duration { return time.Duration(count * float64(time.Second)) }
