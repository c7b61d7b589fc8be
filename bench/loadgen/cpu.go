package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// cost of the measured calls to the server.
type cost struct {
	cpu time.Duration
	err error
}

// watchServer reads the server's CPU time over the measured time.
func (l *load) watchServer() cost {
	if l.PID == 0 {
		return cost{}
	}
	select {
	case <-time.After(time.Until(l.start)):
	case <-l.over:
	}
	before, err := cpuTime(l.PID)
	if err != nil {
		return cost{err: err}
	}
	<-l.over
	after, err := cpuTime(l.PID)
	return cost{cpu: after - before, err: err}
}

// cpuTime of a process, user and system, of all its threads that live, in nanoseconds as
// the scheduler counts them: /proc/PID/stat has hundredths of a second.
func cpuTime(pid int) (time.Duration, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	if len(threads) == 0 {
		return 0, fmt.Errorf("process %d: no such one, or a kernel without schedstat", pid)
	}
	var sum time.Duration
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			continue // it ended meanwhile
		}
		ran, _, _ := bytes.Cut(text, []byte(" "))
		nanoseconds, err := strconv.ParseInt(string(ran), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", thread, err)
		}
		sum += time.Duration(nanoseconds)
	}
	return sum, nil
}
