package main

import (
	"context"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/status"
)

type event struct {
	Event string      `json:"event"`
	X509  *context509 `json:"x509,omitempty"`
	Keys  []string    `json:"keys,omitempty"`
	Names []string    `json:"names,omitempty"`
	Code  string      `json:"code,omitempty"`
}

// watch tells every update of every stream, and every error, until standard input ends.
func watch(ctx context.Context, client *workloadapi.Client, _ settings) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watching := &watcher{}
	for _, begin := range []func() error{
		func() error { return client.WatchX509Context(ctx, watching) },
		func() error { return client.WatchX509Bundles(ctx, watching) },
		func() error { return client.WatchJWTBundles(ctx, watching) },
	} {
		go begin()
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// watcher is told by three streams at once.
type watcher struct{ mutex sync.Mutex }

func (w *watcher) say(what event) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	say(what)
}

func (w *watcher) OnX509ContextUpdate(found *workloadapi.X509Context) {
	told, err := tell(found)
	if err != nil {
		w.say(event{Event: "x509-error", Code: err.Error()})
		return
	}
	w.say(event{Event: "x509", X509: &told})
}

func (w *watcher) OnX509ContextWatchError(err error) {
	w.say(event{Event: "x509-error", Code: status.Code(err).String()})
}

func (w *watcher) OnX509BundlesUpdate(found *x509bundle.Set) {
	told := event{Event: "x509-bundles"}
	for _, bundle := range found.Bundles() {
		told.Names = append(told.Names, bundle.TrustDomain().Name())
	}
	slices.Sort(told.Names)
	w.say(told)
}

func (w *watcher) OnX509BundlesWatchError(err error) {
	w.say(event{Event: "x509-bundles-error", Code: status.Code(err).String()})
}

func (w *watcher) OnJWTBundlesUpdate(found *jwtbundle.Set) {
	told := event{Event: "jwt-bundles"}
	for _, bundle := range found.Bundles() {
		told.Names = append(told.Names, bundle.TrustDomain().Name())
		for id := range bundle.JWTAuthorities() {
			told.Keys = append(told.Keys, id)
		}
	}
	slices.Sort(told.Names)
	slices.Sort(told.Keys)
	w.say(told)
}

func (w *watcher) OnJWTBundlesWatchError(err error) {
	w.say(event{Event: "jwt-bundles-error", Code: status.Code(err).String()})
}
