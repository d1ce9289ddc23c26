// Command control-load is the load of the bench: many scripted nodes on one control server, any that speaks ts2021. It
// plays the nodes with the client's own transport (control/controlhttp, control/ts2021, HTTP/2 of net/http), so that one
// program measures every server in the same way.
//
// It speaks JSON lines: standard input takes one [command] a line, standard output answers each with one [result]. All
// times are taken here, from the moment before the first byte is sent to the moment after a message was decompressed.
// Messages are searched for a marker and not parsed: the load must cost less than what it measures.
//
// With the argument "pipe" it is a plain byte pipe instead, the yardstick of the gateway: see pipe.go.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"tailscale.com/types/key"
)

// command is one line of standard input.
type command struct {
	Op string `json:"op"`
	// URLs are origins to connect to, in turn; "ws://" ones are reached by WebSocket. Empty: those of the last command.
	URLs []string `json:"urls,omitempty"`
	// Count is the size that the fleet shall have.
	Count int `json:"count,omitempty"`
	// Hostname is the name of a newcomer.
	Hostname string `json:"hostname,omitempty"`
	// Member is the index of the node whose endpoint changes.
	Member int `json:"member,omitempty"`
	// Endpoint is its new endpoint.
	Endpoint string `json:"endpoint,omitempty"`
	// Request is sent by HTTP.
	Request *httpRequest `json:"request,omitempty"`
	// Marker is the text that every node's message must hold before the command is done.
	Marker string `json:"marker,omitempty"`
	// LimitMS is how long it may take; 0: two minutes.
	LimitMS int `json:"limitMs,omitempty"`
}

// result is one line of standard output.
type result struct {
	Error string `json:"error,omitempty"`
	// MS is how long all of it took.
	MS float64 `json:"ms"`
	// OwnMS is when the newcomer had its map.
	OwnMS float64 `json:"ownMs,omitempty"`
	// MedianMS and LastMS are when the median and the last of the nodes were told.
	MedianMS float64 `json:"medianMs,omitempty"`
	LastMS   float64 `json:"lastMs,omitempty"`
	// Bytes and Messages are what all nodes together received until then.
	Bytes    int64 `json:"bytes"`
	Messages int64 `json:"messages"`
	// NodeID is the id of the newcomer.
	NodeID int64 `json:"nodeId,omitempty"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "pipe" {
		fail(runPipe(os.Args[2:]))
		return
	}
	authKey := flag.String("authkey", "", "reusable auth key (required)")
	serverKey := flag.String("server-key", "", "Noise key of the server, mkey:… (required)")
	flag.Parse()
	var public key.MachinePublic
	fail(public.UnmarshalText([]byte(*serverKey)))

	fleet := newFleet(public, *authKey)
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var cmd command
		fail(json.Unmarshal(lines.Bytes(), &cmd))
		res, err := fleet.run(cmd)
		if err != nil {
			res.Error = fmt.Sprintf("%s: %v", cmd.Op, err)
		}
		fail(out.Encode(res))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "control-load:", err)
		os.Exit(1)
	}
}
