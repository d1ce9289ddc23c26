package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"tailscale.com/control/ts2021"
	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
)

// maxMessage bounds what one map message may claim to be.
const maxMessage = 256 << 20

var (
	decoder, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0))
	plainPool  = sync.Pool{New: func() any { return new([]byte) }}
	nodeID     = regexp.MustCompile(`"Node":\{"ID":(\d+),`)
)

// node is one machine with one login.
type node struct {
	hostname string
	machine  key.MachinePrivate
	private  key.NodePrivate
	disco    key.DiscoPublic
	hostinfo *tailcfg.Hostinfo

	conn   *ts2021.Conn
	client *http.Client
	// firstMap gets the first message of each stream, as it was found.
	firstMap chan firstMap
	// watch is what its messages are searched for.
	watch atomic.Pointer[watch]
	// streams counts map streams, so that a reader that was replaced keeps quiet.
	streams atomic.Int64
	// lost is why its map stream ended after the first message; nil while it is open.
	lost atomic.Pointer[error]
}

type firstMap struct {
	at    time.Time
	id    int64
	nodes int
	err   error
}

// watch is a text that someone waits for; seen is called with the time of the first message that holds it.
type watch struct {
	marker []byte
	once   sync.Once
	seen   func(time.Time)
}

func newNode(hostname string) *node {
	return &node{
		hostname: hostname,
		machine:  key.NewMachine(),
		private:  key.NewNode(),
		disco:    key.NewDisco().Public(),
		hostinfo: &tailcfg.Hostinfo{
			Hostname: hostname, OS: "linux", OSVersion: "6.12.0", IPNVersion: "1.102.3", GoArch: "amd64", Package: "tsnet",
			NetInfo: &tailcfg.NetInfo{WorkingUDP: "true", PreferredDERP: 1, DERPLatency: map[string]float64{"1-v4": 0.01}},
		},
		firstMap: make(chan firstMap, 1),
	}
}

// connect opens a control connection in place of the one it has. Like the client it gives each attempt ten seconds and
// tries again after a pause.
func (n *node) connect(ctx context.Context, url string, server key.MachinePublic) error {
	n.disconnect()
	for pause := 100 * time.Millisecond; ; pause *= 2 {
		attempt, cancel := context.WithTimeout(ctx, 10*time.Second)
		conn, err := dial(attempt, url, n.machine, server)
		cancel()
		if err == nil {
			n.conn, n.client = conn, overConn(conn)
			return nil
		}
		select {
		case <-time.After(min(pause, 2*time.Second)):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", n.hostname, err)
		}
	}
}

func (n *node) disconnect() {
	n.streams.Add(1)
	if n.conn != nil {
		n.conn.Close()
		n.conn = nil
	}
}

func (n *node) register(ctx context.Context, authKey string) error {
	var answer tailcfg.RegisterResponse
	body, err := n.post(ctx, "/machine/register", &tailcfg.RegisterRequest{
		Version:  tailcfg.CurrentCapabilityVersion,
		NodeKey:  n.private.Public(),
		Auth:     &tailcfg.RegisterResponseAuth{AuthKey: authKey},
		Hostinfo: n.hostinfo,
	})
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return err
	}
	if answer.Error != "" || !answer.MachineAuthorized {
		return fmt.Errorf("%s: %q, authorized %v", n.hostname, answer.Error, answer.MachineAuthorized)
	}
	return nil
}

// announce reports what a client reports right after it has registered. Servers need not take its DiscoKey from the
// request for a stream (control-protocol.md 5.2), and clients do not rely on that.
func (n *node) announce(ctx context.Context) error {
	return n.report(ctx, n.liteUpdate())
}

// liteUpdate is a request that changes what is known of the node and asks for nothing.
func (n *node) liteUpdate() *tailcfg.MapRequest {
	req := n.mapRequest()
	req.OmitPeers = true
	req.KeepAlive = false
	return req
}

// report sends a lite update and waits for the acknowledgement.
func (n *node) report(ctx context.Context, req *tailcfg.MapRequest) error {
	body, err := n.post(ctx, "/machine/map", req)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(io.Discard, body)
	return err
}

func (n *node) mapRequest() *tailcfg.MapRequest {
	return &tailcfg.MapRequest{
		Version:   tailcfg.CurrentCapabilityVersion,
		Compress:  "zstd",
		KeepAlive: true,
		NodeKey:   n.private.Public(),
		DiscoKey:  n.disco,
		Hostinfo:  n.hostinfo,
	}
}

// openMap opens the map stream and waits for its first message.
func (n *node) openMap(ctx context.Context, fleet *fleet) (firstMap, error) {
	stream := n.streams.Add(1)
	n.lost.Store(nil)
	select {
	case <-n.firstMap: // of a stream before
	default:
	}
	req := n.mapRequest()
	req.Stream = true
	go func() {
		err := n.readMap(context.WithoutCancel(ctx), req, stream, fleet)
		if n.streams.Load() == stream {
			err = fmt.Errorf("%s: map stream ended: %w", n.hostname, err)
			n.lost.Store(&err)
			select {
			case n.firstMap <- firstMap{err: err}:
			default:
			}
		}
	}()
	select {
	case first := <-n.firstMap:
		fleet.steps.Add(1)
		return first, first.err
	case <-ctx.Done():
		return firstMap{}, fmt.Errorf("%s: no first map: %w", n.hostname, ctx.Err())
	}
}

func (n *node) readMap(ctx context.Context, req *tailcfg.MapRequest, stream int64, fleet *fleet) error {
	body, err := n.post(ctx, "/machine/map", req)
	if err != nil {
		return err
	}
	defer body.Close()
	reader := bufio.NewReaderSize(body, 32<<10)
	var compressed []byte
	for isFirst := true; ; {
		var head [4]byte
		if _, err := io.ReadFull(reader, head[:]); err != nil {
			return err
		}
		size := int(binary.LittleEndian.Uint32(head[:]))
		if size > maxMessage {
			return fmt.Errorf("message of %d bytes", size)
		}
		if cap(compressed) < size {
			compressed = make([]byte, size)
		}
		compressed = compressed[:size]
		if _, err := io.ReadFull(reader, compressed); err != nil {
			return err
		}
		if n.streams.Load() != stream {
			return nil
		}
		if err := n.take(compressed, &isFirst, fleet); err != nil {
			return err
		}
		if cap(compressed) > 64<<10 {
			compressed = nil // a thousand nodes must not keep a netmap each
		}
	}
}

// take looks into one message.
func (n *node) take(compressed []byte, isFirst *bool, fleet *fleet) error {
	pooled := plainPool.Get().(*[]byte)
	defer plainPool.Put(pooled)
	plain, err := decoder.DecodeAll(compressed, (*pooled)[:0])
	if err != nil {
		return err
	}
	*pooled = plain
	at := time.Now()
	if bytes.Contains(plain, []byte(`"KeepAlive":true`)) {
		return nil
	}
	fleet.messages.Add(1)
	if *isFirst && bytes.Contains(plain, []byte(`"Node":{`)) {
		*isFirst = false
		first := firstMap{at: at, nodes: bytes.Count(plain, []byte(`"StableID":`))}
		if match := nodeID.FindSubmatch(plain); match != nil {
			first.id, _ = strconv.ParseInt(string(match[1]), 10, 64)
		}
		n.firstMap <- first
	}
	if w := n.watch.Load(); w != nil && bytes.Contains(plain, w.marker) {
		w.once.Do(func() { w.seen(at) })
	}
	return nil
}

// post sends a request inside Noise and returns the body of a good answer.
func (n *node) post(ctx context.Context, path string, request any) (io.ReadCloser, error) {
	text, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, "POST", "https://control"+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	ts2021.AddLBHeader(req, n.private.Public())
	res, err := n.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.hostname, err)
	}
	if res.StatusCode != http.StatusOK {
		detail, _ := io.ReadAll(io.LimitReader(res.Body, 300))
		res.Body.Close()
		return nil, fmt.Errorf("%s: %s answered %s: %s", n.hostname, path, res.Status, detail)
	}
	return res.Body, nil
}
