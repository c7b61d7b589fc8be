package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// What a caller of a group does.
const (
	unary  = "unary"  // one call for each question
	stream = "stream" // questions over EvaluateStream
	watch  = "watch"  // opens the method's stream once and listens
)

// plan says what load to put on which sockets. It comes as JSON on standard input.
type plan struct {
	Method       string  `json:"method"`        // full name
	Bodies       string  `json:"bodies"`        // file of requests, see readBodies; "" for an empty one
	Groups       []group `json:"groups"`        // who calls
	Warm         float64 `json:"warm"`          // seconds of load before the measured time
	Seconds      float64 `json:"seconds"`       // measured time
	PID          int     `json:"pid"`           // process whose CPU time is read; 0 for none
	UntilRefused bool    `json:"until_refused"` // closed loop: a caller that is refused ends
	UntilTold    bool    `json:"until_told"`    // the measured time ends early with standard input
	Once         bool    `json:"once"`          // the measured time ends when each body was sent
}

// group of callers that do the same; each socket is one caller.
type group struct {
	Name        string   `json:"name"`
	Kind        string   `json:"kind"`        // unary, stream or watch
	Sockets     []string `json:"sockets"`     //
	Connections int      `json:"connections"` // of each caller
	Streams     int      `json:"streams"`     // of each connection, for kind stream
	InFlight    int      `json:"in_flight"`   // closed loop: of each caller; of each stream for kind stream
	Rate        float64  `json:"rate"`        // open loop: calls a second of each caller; 0 for closed
	TLS         *files   `json:"tls"`         // what each caller shows; null for a plain connection
}

// files has paths of PEM files.
type files struct {
	Certificates string `json:"certificates"` // the caller's, and those above it
	Key          string `json:"key"`          // the caller's
	Roots        string `json:"roots"`        // that the server is verified by
	Name         string `json:"name"`         // that the server has, no path
}

// readPlan also returns a channel that is closed when the input ends, if the plan wants it.
func readPlan(input io.Reader) (*plan, <-chan struct{}, error) {
	decoder := json.NewDecoder(input)
	decoder.DisallowUnknownFields()
	var p plan
	if err := decoder.Decode(&p); err != nil {
		return nil, nil, err
	}
	for _, one := range p.Groups {
		if len(one.Sockets) == 0 || one.Connections < 1 || one.Streams < 1 || one.InFlight < 1 {
			return nil, nil, fmt.Errorf("group %q: expected a socket, a connection, a stream, a call", one.Name)
		}
	}
	if !p.UntilTold {
		return &p, nil, nil
	}
	told := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, input) // any end is the end
		close(told)
	}()
	return &p, told, nil
}

// Stands in a request for a number that is never used twice.
var placeholder = []byte("################")

// questions hands out requests.
type questions struct {
	bodies [][]byte
	unique []bool // whether the body has a placeholder
	once   bool
	next   atomic.Uint64
	number atomic.Uint64 // sixteen digits
}

// newQuestions reads requests: each after its length as four bytes, big endian. They are
// used in turn; without a file it is one empty message.
func newQuestions(path string, once bool) (*questions, error) {
	q := &questions{bodies: [][]byte{{}}, once: once}
	// In microseconds, and fewer than a million are used in a second: a later run of the same
	// server gets other numbers.
	q.number.Store(uint64(time.Now().UnixMicro()))
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if q.bodies, err = split(data); err != nil {
			return nil, err
		}
	}
	for _, body := range q.bodies {
		q.unique = append(q.unique, bytes.Contains(body, placeholder))
	}
	return q, nil
}

func split(data []byte) ([][]byte, error) {
	var bodies [][]byte
	for len(data) >= 4 {
		size := int(binary.BigEndian.Uint32(data))
		if size > len(data)-4 {
			break
		}
		bodies, data = append(bodies, data[4:4+size]), data[4+size:]
	}
	if len(data) > 0 || len(bodies) == 0 {
		return nil, errors.New("expected whole messages, at least one")
	}
	return bodies, nil
}

// take returns a request to send, or nil when each was sent and that was to be all.
func (q *questions) take() []byte {
	i := q.next.Add(1) - 1
	count := uint64(len(q.bodies))
	if q.once && i >= count {
		return nil
	}
	body := q.bodies[i%count]
	if !q.unique[i%count] {
		return body
	}
	return bytes.ReplaceAll(body, placeholder, strconv.AppendUint(nil, q.number.Add(1), 10))
}
