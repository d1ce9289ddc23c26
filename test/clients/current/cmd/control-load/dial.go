package main

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coder/websocket"
	"tailscale.com/control/controlbase"
	"tailscale.com/control/controlhttp"
	"tailscale.com/control/ts2021"
	"tailscale.com/net/wsconn"
	"tailscale.com/tailcfg"
	"tailscale.com/tstime"
	"tailscale.com/types/key"
	"tailscale.com/types/logger"
)

// received counts the bytes that all connections have received, everything above TCP.
var received atomic.Int64

type countedConn struct{ net.Conn }

func (c countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	received.Add(int64(n))
	return n, err
}

func dialCounted(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return countedConn{conn}, nil
}

// dial opens a control connection: by HTTP upgrade as native clients do, or by WebSocket as browsers do.
func dial(ctx context.Context, target string, machine key.MachinePrivate, server key.MachinePublic) (*ts2021.Conn, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "ws" {
		return dialWebSocket(ctx, u, machine, server)
	}
	dialer := &controlhttp.Dialer{
		Hostname:        u.Hostname(),
		HTTPPort:        u.Port(),
		HTTPSPort:       controlhttp.NoPort,
		MachineKey:      machine,
		ControlKey:      server,
		ProtocolVersion: uint16(tailcfg.CurrentCapabilityVersion),
		Dialer:          dialCounted,
		Logf:            logger.Discard,
		Clock:           tstime.StdClock{},
	}
	conn, err := dialer.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return ts2021.NewConn(conn.Conn, func() {}), nil
}

var webSocketClient = &http.Client{Transport: &http.Transport{DialContext: dialCounted, DisableKeepAlives: true}}

func dialWebSocket(
	ctx context.Context, u *url.URL, machine key.MachinePrivate, server key.MachinePublic,
) (*ts2021.Conn, error) {
	initiation, proceed, err := controlbase.ClientDeferred(machine, server, uint16(tailcfg.CurrentCapabilityVersion))
	if err != nil {
		return nil, err
	}
	query := url.Values{"X-Tailscale-Handshake": {base64.StdEncoding.EncodeToString(initiation)}}
	address := strings.TrimSuffix(u.String(), "/") + "/ts2021?" + query.Encode()
	socket, _, err := websocket.Dial(ctx, address, &websocket.DialOptions{
		HTTPClient:   webSocketClient,
		Subprotocols: []string{"tailscale-control-protocol"},
	})
	if err != nil {
		return nil, err
	}
	carrier := wsconn.NetConn(context.Background(), socket, websocket.MessageBinary, address)
	conn, err := proceed(ctx, carrier)
	if err != nil {
		carrier.Close()
		return nil, err
	}
	return ts2021.NewConn(conn, func() {}), nil
}

// overConn is an HTTP client whose only connection is conn.
func overConn(conn *ts2021.Conn) *http.Client {
	transport := &http.Transport{Protocols: new(http.Protocols), MaxConnsPerHost: 1}
	transport.Protocols.SetUnencryptedHTTP2(true)
	var once sync.Once
	transport.DialTLSContext = func(context.Context, string, string) (net.Conn, error) {
		var handed net.Conn
		once.Do(func() { handed = conn })
		if handed == nil {
			return nil, errors.New("connection lost")
		}
		return handed, nil
	}
	return &http.Client{Transport: transport}
}
