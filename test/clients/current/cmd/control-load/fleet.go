package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
)

const (
	// concurrency is how many handshakes are under way at a time when nodes come one after another.
	concurrency = 16
	// herd is the same when all nodes come back at once.
	herd = 128
	// defaultLimit is how long one command may take before it fails, unless it says so.
	defaultLimit = 2 * time.Minute
	// stall is how long a command on many nodes may go without any of them getting further.
	stall = time.Minute
	// newsTimeout is how long news may take to reach every node, unless the command has a limit of its own.
	newsTimeout = 20 * time.Second
)

// httpRequest is a call of the server's REST API.
type httpRequest struct {
	Method string            `json:"method"`
	URL    string            `json:"url"`
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
}

// fleet is all nodes of one tailnet.
type fleet struct {
	server   key.MachinePublic
	authKey  string
	urls     []string
	members  []*node
	mapped   int // members below this index have a map stream
	newcomer *node
	messages atomic.Int64
	// steps counts what nodes got done: a command goes on as long as it rises.
	steps atomic.Int64
	// patience is how long the command at hand waits for news.
	patience time.Duration
}

func newFleet(server key.MachinePublic, authKey string) *fleet {
	return &fleet{server: server, authKey: authKey}
}

func (f *fleet) run(cmd command) (result, error) {
	ctx, cancel := f.limited(cmd.LimitMS)
	defer cancel()
	f.patience = newsTimeout
	if cmd.LimitMS > 0 {
		f.patience = time.Duration(cmd.LimitMS) * time.Millisecond
	}
	if len(cmd.URLs) > 0 {
		f.urls = cmd.URLs
	}
	if len(f.urls) == 0 && cmd.Op != "request" {
		return result{}, errors.New("no URL")
	}
	var res result
	err := f.reopen(ctx)
	if err != nil {
		return res, err
	}
	bytesBefore, messagesBefore, since := received.Load(), f.messages.Load(), time.Now()
	switch cmd.Op {
	case "grow":
		err = f.grow(ctx, cmd.Count)
	case "maps":
		err = f.openMaps(ctx)
	case "join":
		res, err = f.join(ctx, cmd.Hostname, since)
	case "leave":
		f.newcomer.disconnect()
	case "endpoint":
		res, err = f.changeEndpoint(ctx, cmd.Member, cmd.Endpoint, since)
	case "request":
		res, err = f.request(ctx, cmd.Request, cmd.Marker, since)
	case "reconnect":
		res, err = f.reconnect(ctx, since)
	default:
		err = errors.New("unknown command")
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = fmt.Errorf("%w; %w", cause, err)
	}
	res.MS = milliseconds(time.Since(since))
	res.Bytes = received.Load() - bytesBefore
	res.Messages = f.messages.Load() - messagesBefore
	return res, err
}

// limited is the context of one command: it ends with its limit, or when no node has got further for a while.
func (f *fleet) limited(limitMS int) (context.Context, context.CancelFunc) {
	limit := defaultLimit
	if limitMS > 0 {
		limit = time.Duration(limitMS) * time.Millisecond
	}
	ended := fmt.Errorf("not done within %v", limit)
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, ended)
	ctx, stop := context.WithCancelCause(ctx)
	go func() {
		for last := f.steps.Load(); ; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(stall):
			}
			now := f.steps.Load()
			if now == last {
				stop(fmt.Errorf("nothing got further within %v", stall))
				return
			}
			last = now
		}
	}()
	return ctx, func() {
		stop(nil)
		cancel()
	}
}

// reopen opens the map streams that the server ended since the last command, as clients do.
func (f *fleet) reopen(ctx context.Context) error {
	for i, n := range f.members[:f.mapped] {
		err := n.lost.Swap(nil)
		if err == nil {
			continue
		}
		fmt.Fprintf(os.Stderr, "%v; opened again\n", *err)
		if err := n.connect(ctx, f.url(i), f.server); err != nil {
			return err
		}
		if _, err := n.openMap(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) url(index int) string { return f.urls[index%len(f.urls)] }

// grow connects and registers new nodes until there are count.
func (f *fleet) grow(ctx context.Context, count int) error {
	first := len(f.members)
	for i := first; i < count; i++ {
		f.members = append(f.members, newNode(fmt.Sprintf("bench-%d", i+1)))
	}
	var done atomic.Int64
	err := inParallel(concurrency, first, count, func(i int) error {
		if err := f.members[i].connect(ctx, f.url(i), f.server); err != nil {
			return err
		}
		err := f.members[i].register(ctx, f.authKey)
		if err == nil {
			done.Add(1)
			f.steps.Add(1)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%d of %d nodes registered: %w", done.Load(), count-first, err)
	}
	return nil
}

// openMaps opens the map streams of the nodes that have none.
func (f *fleet) openMaps(ctx context.Context) error {
	first := f.mapped
	f.mapped = len(f.members)
	var done atomic.Int64
	err := inParallel(concurrency, first, len(f.members), func(i int) error {
		if err := f.members[i].announce(ctx); err != nil {
			return err
		}
		_, err := f.members[i].openMap(ctx, f)
		if err == nil {
			done.Add(1)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%d of %d nodes had their maps: %w", done.Load(), f.mapped-first, err)
	}
	return nil
}

// reconnect ends all connections and brings every node back at once, until each has a full map. OwnMS is when the median
// node was connected, MedianMS when it had its map.
func (f *fleet) reconnect(ctx context.Context, since time.Time) (result, error) {
	for _, n := range f.members {
		n.disconnect()
	}
	connected, mapped := make([]time.Time, len(f.members)), make([]time.Time, len(f.members))
	var done atomic.Int64
	err := inParallel(herd, 0, len(f.members), func(i int) error {
		if err := f.members[i].connect(ctx, f.url(i), f.server); err != nil {
			return err
		}
		connected[i] = time.Now()
		first, err := f.members[i].openMap(ctx, f)
		mapped[i] = first.at
		if err == nil && first.nodes < len(f.members) {
			err = fmt.Errorf("%s sees %d of %d nodes", f.members[i].hostname, first.nodes, len(f.members))
		}
		if err == nil {
			done.Add(1)
		}
		return err
	})
	if err != nil {
		return result{}, fmt.Errorf("%d of %d nodes were back: %w", done.Load(), len(f.members), err)
	}
	return result{OwnMS: median(connected, since), MedianMS: median(mapped, since)}, nil
}

// median is how long after since the median of times is, in ms; it sorts them.
func median(times []time.Time, since time.Time) float64 {
	slices.SortFunc(times, time.Time.Compare)
	return milliseconds(times[len(times)/2].Sub(since))
}

// join adds one node, which stays until "leave", and waits until everybody knows it.
func (f *fleet) join(ctx context.Context, hostname string, since time.Time) (result, error) {
	told := f.watch(hostname, nil)
	f.newcomer = newNode(hostname)
	if err := f.newcomer.connect(ctx, f.url(0), f.server); err != nil {
		return result{}, err
	}
	if err := f.newcomer.register(ctx, f.authKey); err != nil {
		return result{}, err
	}
	if err := f.newcomer.announce(ctx); err != nil {
		return result{}, err
	}
	first, err := f.newcomer.openMap(ctx, f)
	if err != nil {
		return result{}, err
	}
	res, err := told(ctx, since)
	res.OwnMS, res.NodeID = milliseconds(first.at.Sub(since)), first.id
	return res, err
}

func (f *fleet) changeEndpoint(ctx context.Context, index int, endpoint string, since time.Time) (result, error) {
	address, err := netip.ParseAddrPort(endpoint)
	if err != nil {
		return result{}, err
	}
	changed := f.members[index]
	told := f.watch(endpoint, changed)
	req := changed.liteUpdate()
	req.Endpoints = []netip.AddrPort{address}
	req.EndpointTypes = []tailcfg.EndpointType{tailcfg.EndpointLocal}
	if err := changed.report(ctx, req); err != nil {
		return result{}, err
	}
	return told(ctx, since)
}

// request calls the REST API and, with a marker, waits until every node was told.
func (f *fleet) request(ctx context.Context, r *httpRequest, marker string, since time.Time) (result, error) {
	told := func(context.Context, time.Time) (result, error) { return result{}, nil }
	if marker != "" {
		told = f.watch(marker, nil)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader([]byte(r.Body)))
	if err != nil {
		return result{}, err
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return result{}, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return result{}, err
	}
	if res.StatusCode/100 != 2 {
		return result{}, fmt.Errorf("%s %s answered %s: %.300s", r.Method, r.URL, res.Status, answer)
	}
	return told(ctx, since)
}

// watch notes when each node but one gets a message that holds marker. The function it returns waits for all of them.
func (f *fleet) watch(marker string, without *node) func(context.Context, time.Time) (result, error) {
	var mu sync.Mutex
	var times []time.Time
	var watched []*node
	all := make(chan struct{})
	for _, n := range f.members[:f.mapped] {
		if n != without {
			watched = append(watched, n)
		}
	}
	for _, n := range watched {
		n.watch.Store(&watch{marker: []byte(marker), seen: func(at time.Time) {
			mu.Lock()
			defer mu.Unlock()
			if times = append(times, at); len(times) == len(watched) {
				close(all)
			}
		}})
	}
	return func(ctx context.Context, since time.Time) (result, error) {
		defer func() {
			for _, n := range watched {
				n.watch.Store(nil)
			}
		}()
		ctx, cancel := context.WithTimeout(ctx, f.patience)
		defer cancel()
		select {
		case <-all:
		case <-ctx.Done():
			mu.Lock()
			defer mu.Unlock()
			return result{}, fmt.Errorf("%d of %d nodes were told%s", len(times), len(watched), lostOf(watched))
		}
		return result{
			MedianMS: median(times, since),
			LastMS:   milliseconds(times[len(times)-1].Sub(since)),
		}, nil
	}
}

// lostOf tells why the first of the nodes that lost their streams did.
func lostOf(nodes []*node) string {
	for _, n := range nodes {
		if err := n.lost.Load(); err != nil {
			return fmt.Sprintf("; %v", *err)
		}
	}
	return ""
}

// inParallel works on the indices from first to last, not included, and returns the first error.
func inParallel(workers, first, last int, work func(int) error) error {
	var next atomic.Int64
	next.Store(int64(first))
	errs := make(chan error, workers)
	for range workers {
		go func() {
			for i := int(next.Add(1)) - 1; i < last; i = int(next.Add(1)) - 1 {
				if err := work(i); err != nil {
					next.Store(int64(last))
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var failed error
	for range workers {
		if err := <-errs; err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
