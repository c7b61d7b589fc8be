package main

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// recorder keeps the latency of each call of a caller that ended in the measured time, and
// the outcome of each call at all.
type recorder struct {
	mutex      sync.Mutex
	latencies  []time.Duration
	outcomes   [4]int
	firstError error
	sample     []byte
}

func (r *recorder) add(l *load, begun time.Time, result outcome, err error, reply []byte) {
	ended := time.Now()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.outcomes[result]++
	if err != nil && r.firstError == nil {
		r.firstError = err
	}
	if err != nil || !l.measures(ended) {
		return
	}
	r.latencies = append(r.latencies, ended.Sub(begun))
	if r.sample == nil {
		r.sample = slices.Clone(reply)
	}
}

// summary of the calls of one or several callers. Calls and latencies are those of the
// measured time, the outcomes those of every call.
type summary struct {
	Calls    int     `json:"calls"`
	P50      float64 `json:"p50_ms"`
	P90      float64 `json:"p90_ms"`
	P99      float64 `json:"p99_ms"`
	P999     float64 `json:"p999_ms"`
	Max      float64 `json:"max_ms"`
	Answered int     `json:"answered"`
	Refused  int     `json:"refused"`
	Failed   int     `json:"failed"`
	Lost     int     `json:"lost"`
}

// report is what loadgen prints: the summary of all, of each group by name, of each caller
// in order.
type report struct {
	summary
	PerSecond   float64            `json:"per_second"`
	Seconds     float64            `json:"seconds"`       // measured time
	ServerCPU   float64            `json:"server_cpu_us"` // in all
	Groups      map[string]summary `json:"groups"`
	Callers     []summary          `json:"callers"`
	FirstError  string             `json:"first_error"`
	SampleReply string             `json:"sample_reply"` // in hex
}

func (l *load) report(server cost) (*report, error) {
	if server.err != nil {
		return nil, fmt.Errorf("pid: %w", server.err)
	}
	made := &report{
		summary:   summarise(l.callers),
		Seconds:   l.end.Sub(l.start).Seconds(),
		ServerCPU: float64(server.cpu.Nanoseconds()) / 1000,
		Groups:    map[string]summary{},
	}
	made.PerSecond = float64(made.Calls) / made.Seconds
	groups := map[string][]*caller{}
	for _, c := range l.callers {
		made.Callers = append(made.Callers, summarise([]*caller{c}))
		groups[c.Name] = append(groups[c.Name], c)
		made.SampleReply = cmp.Or(made.SampleReply, hex.EncodeToString(c.record.sample))
		if c.record.firstError != nil {
			made.FirstError = cmp.Or(made.FirstError, c.record.firstError.Error())
		}
	}
	for name, callers := range groups {
		made.Groups[name] = summarise(callers)
	}
	if made.Calls == 0 {
		return nil, fmt.Errorf("no call was answered: %s", made.FirstError)
	}
	return made, nil
}

func summarise(callers []*caller) summary {
	var latencies []time.Duration
	var outcomes [4]int
	for _, c := range callers {
		latencies = append(latencies, c.record.latencies...)
		for i, count := range c.record.outcomes {
			outcomes[i] += count
		}
	}
	slices.Sort(latencies)
	return summary{
		Calls:    len(latencies),
		P50:      quantile(latencies, 0.5),
		P90:      quantile(latencies, 0.9),
		P99:      quantile(latencies, 0.99),
		P999:     quantile(latencies, 0.999),
		Max:      quantile(latencies, 1),
		Answered: outcomes[answered],
		Refused:  outcomes[refused],
		Failed:   outcomes[failed],
		Lost:     outcomes[lost],
	}
}

// quantile of sorted latencies, in milliseconds: the nearest rank, never an average. Of
// none it is 0.
func quantile(latencies []time.Duration, q float64) float64 {
	if len(latencies) == 0 {
		return 0
	}
	rank := int(math.Ceil(q*float64(len(latencies)))) - 1
	return float64(latencies[max(rank, 0)].Microseconds()) / 1000
}
