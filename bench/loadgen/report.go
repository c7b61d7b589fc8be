package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Linux counts CPU time for /proc in hundredths of a second on every architecture.
const clockTick = 10 * time.Millisecond

// cost of the measured calls to the server.
type cost struct {
	cpu time.Duration
	err error
}

// recorder keeps the latency of each call that ended in the measured time, and the
// outcome of each call at all.
type recorder struct {
	start, end time.Time
	mutex      sync.Mutex
	latencies  []time.Duration
	outcomes   [4]int
	firstError error
	sample     []byte
}

func (r *recorder) add(begun, ended time.Time, result outcome, err error, reply []byte) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.outcomes[result]++
	if err != nil && r.firstError == nil {
		r.firstError = err
	}
	if err != nil || ended.Before(r.start) || ended.After(r.end) {
		return
	}
	r.latencies = append(r.latencies, ended.Sub(begun))
	if r.sample == nil {
		r.sample = slices.Clone(reply)
	}
}

// report is what loadgen prints. Calls, rate, latencies and CPU time are those of the
// measured time, the outcomes those of every call.
type report struct {
	Calls       int     `json:"calls"`
	PerSecond   float64 `json:"per_second"`
	P50         float64 `json:"p50_ms"`
	P90         float64 `json:"p90_ms"`
	P99         float64 `json:"p99_ms"`
	P999        float64 `json:"p999_ms"`
	Max         float64 `json:"max_ms"`
	ServerCPU   float64 `json:"server_cpu_us"` // for each call
	Answered    int     `json:"answered"`
	Refused     int     `json:"refused"`
	Failed      int     `json:"failed"`
	Lost        int     `json:"lost"`
	FirstError  string  `json:"first_error"`
	SampleReply string  `json:"sample_reply"` // in hex
}

func (r *recorder) report(server cost) (*report, error) {
	if server.err != nil {
		return nil, fmt.Errorf("pid: %w", server.err)
	}
	count := len(r.latencies)
	if count == 0 {
		return nil, fmt.Errorf("no call was answered: %w", r.firstError)
	}
	slices.Sort(r.latencies)
	made := &report{
		Calls:       count,
		PerSecond:   float64(count) / r.end.Sub(r.start).Seconds(),
		P50:         r.quantile(0.5),
		P90:         r.quantile(0.9),
		P99:         r.quantile(0.99),
		P999:        r.quantile(0.999),
		Max:         r.quantile(1),
		ServerCPU:   float64(server.cpu.Microseconds()) / float64(count),
		Answered:    r.outcomes[answered],
		Refused:     r.outcomes[refused],
		Failed:      r.outcomes[failed],
		Lost:        r.outcomes[lost],
		SampleReply: hex.EncodeToString(r.sample),
	}
	if r.firstError != nil {
		made.FirstError = r.firstError.Error()
	}
	return made, nil
}

// quantile of the sorted latencies, in milliseconds: the nearest rank, never an average.
func (r *recorder) quantile(q float64) float64 {
	rank := int(math.Ceil(q*float64(len(r.latencies)))) - 1
	return float64(r.latencies[max(rank, 0)].Microseconds()) / 1000
}

// cpuTime of a process, user and system, all its threads.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name in brackets may hold anything; fields are counted from its end (proc(5)).
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, errors.New("cannot read its stat")
	}
	user, err := strconv.ParseInt(string(fields[11]), 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * clockTick, err
}
