// Command derp-client is a DERP client of the official package, for the end-to-end tests: it connects to one relay with a
// given node key, tells everything that the relay sends, and does what it is told.
//
// It speaks JSON lines. Standard output carries one [event] a line, standard input takes one [command] a line. When the
// relay announces a restart it waits as long as it was told to and connects again; so it does as often as it loses its
// connection. The program ends when standard input closes.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"tailscale.com/derp"
	"tailscale.com/derp/derphttp"
	"tailscale.com/net/netmon"
	"tailscale.com/net/netns"
	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
)

var (
	relay      = flag.String("relay", "", "address and TLS port of the relay (required)")
	privateKey = flag.String("private-key", "", "node key, as privkey:… (required)")
	meshKey    = flag.String("mesh-key", "", "key of the mesh, 64 hex digits")
	watch      = flag.Bool("watch", false, "watch who comes and goes; needs the mesh key")
)

// command is one line of standard input; Do says which of the other fields count:
//
//	send     To, Bytes and Count: so many packets of so many bytes, as fast as the client lets them go; answered by sent
//	disco    To: one packet of path discovery
//	prefer   Home
//	ping     answered by pong
//	close    To: the connections of that key shall be closed (mesh only)
type command struct {
	Do    string `json:"do"`
	To    string `json:"to,omitempty"`
	Bytes int    `json:"bytes,omitempty"`
	Count int    `json:"count,omitempty"`
	Home  bool   `json:"home,omitempty"`
}

// event is one line of standard output.
type event struct {
	Event       string `json:"event"`
	Key         string `json:"key,omitempty"`
	Reason      int    `json:"reason"`
	Bytes       int    `json:"bytes,omitempty"`
	Packets     int    `json:"packets,omitempty"`
	Rate        int    `json:"rate,omitempty"`
	Burst       int    `json:"burst,omitempty"`
	Problem     string `json:"problem,omitempty"`
	Flags       int    `json:"flags,omitempty"`
	ReconnectIn int64  `json:"reconnectInMs,omitempty"`
	TryFor      int64  `json:"tryForMs,omitempty"`
	Ms          int64  `json:"ms,omitempty"`
	Error       string `json:"error,omitempty"`
}

var stdout = struct {
	sync.Mutex
	*json.Encoder
}{Encoder: json.NewEncoder(os.Stdout)}

func emit(e event) {
	stdout.Lock()
	defer stdout.Unlock()
	if err := stdout.Encode(e); err != nil {
		os.Exit(1) // nobody reads us any more
	}
}

func main() {
	flag.Parse()
	var private key.NodePrivate
	address, err := netip.ParseAddrPort(*relay)
	if private.UnmarshalText([]byte(*privateKey)) != nil || err != nil {
		fmt.Fprintln(os.Stderr, "derp-client: -relay and -private-key are needed")
		os.Exit(2)
	}
	netns.SetEnabled(false) // the relay is on this machine
	client := derphttp.NewRegionClient(private, logf, netmon.NewStatic(), func() *tailcfg.DERPRegion { return regionOf(address) })
	client.SetCanAckPings(true)
	client.WatchConnectionChanges = *watch
	if *meshKey != "" {
		if client.MeshKey, err = key.ParseDERPMesh(*meshKey); err != nil {
			fmt.Fprintln(os.Stderr, "derp-client:", err)
			os.Exit(2)
		}
	}
	go receive(client)
	readCommands(client)
}

// regionOf is a DERP map's region with one relay, whose certificate is the test's own.
func regionOf(address netip.AddrPort) *tailcfg.DERPRegion {
	node := &tailcfg.DERPNode{
		Name: "900a", RegionID: 900, HostName: address.Addr().String(), IPv4: address.Addr().String(), IPv6: "none",
		DERPPort: int(address.Port()), STUNPort: -1, InsecureForTests: true,
	}
	return &tailcfg.DERPRegion{RegionID: 900, RegionCode: "test", Nodes: []*tailcfg.DERPNode{node}}
}

func logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// receive tells what comes, in the order in which it comes.
func receive(client *derphttp.Client) {
	for {
		message, err := client.Recv()
		if err != nil {
			emit(event{Event: "lost", Error: err.Error()})
			if errors.Is(err, derphttp.ErrClientClosed) {
				return
			}
			time.Sleep(100 * time.Millisecond)
			continue
		}
		tell(client, message)
	}
}

func tell(client *derphttp.Client, message derp.ReceivedMessage) {
	switch m := message.(type) {
	case derp.ServerInfoMessage:
		emit(event{Event: "connected", Rate: m.TokenBucketBytesPerSecond, Burst: m.TokenBucketBytesBurst})
	case derp.ReceivedPacket:
		emit(event{Event: "packet", Key: m.Source.String(), Bytes: len(m.Data)})
	case derp.PingMessage:
		client.SendPong(m)
	case derp.PongMessage, derp.KeepAliveMessage:
	case derp.PeerGoneMessage:
		emit(event{Event: "gone", Key: m.Peer.String(), Reason: int(m.Reason)})
	case derp.PeerPresentMessage:
		emit(event{Event: "present", Key: m.Key.String(), Flags: int(m.Flags)})
	case derp.HealthMessage:
		emit(event{Event: "health", Problem: m.Problem})
	case derp.ServerRestartingMessage:
		emit(event{Event: "restarting", ReconnectIn: m.ReconnectIn.Milliseconds(), TryFor: m.TryFor.Milliseconds()})
		time.Sleep(m.ReconnectIn) // Recv connects again, and would do so at once
	default:
		emit(event{Event: "unknown", Error: fmt.Sprintf("%T", m)})
	}
}

func readCommands(client *derphttp.Client) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			emit(event{Event: "error", Error: err.Error()})
			continue
		}
		if err := do(client, c); err != nil {
			emit(event{Event: "error", Error: err.Error()})
		}
	}
}

func do(client *derphttp.Client, c command) error {
	var to key.NodePublic
	if c.To != "" {
		if err := to.UnmarshalText([]byte(c.To)); err != nil {
			return err
		}
	}
	switch c.Do {
	case "send":
		packet := make([]byte, c.Bytes)
		since := time.Now()
		for range c.Count {
			if err := client.Send(to, packet); err != nil {
				return err
			}
		}
		emit(event{Event: "sent", Packets: c.Count, Ms: time.Since(since).Milliseconds()})
	case "disco":
		// Path discovery: the relay tells of an absent peer for these alone.
		return client.Send(to, append([]byte("TS💬"), make([]byte, 32+c.Bytes)...))
	case "prefer":
		client.NotePreferred(c.Home)
	case "ping":
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := client.Ping(ctx); err != nil {
			return err
		}
		emit(event{Event: "pong"})
	case "close":
		return client.ClosePeer(to)
	default:
		return fmt.Errorf("no command %q", c.Do)
	}
	return nil
}
