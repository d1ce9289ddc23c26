// Command api-client drives the official Go client of the REST API against a control server and prints what it saw.
//
// It works through all resources twice: with the API token of the environment, then as an OAuth client that the first
// round has made. Every step is one line of JSON: {"as":"token","step":"…","saw":…}, with "error" instead of "saw"
// when the client reported one. FLARESCALE_URL and FLARESCALE_API_TOKEN say where and who, the argument names a device.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"time"

	"tailscale.com/client/tailscale/v2"
)

type line struct {
	As    string `json:"as"`
	Step  string `json:"step"`
	Saw   any    `json:"saw,omitempty"`
	Error string `json:"error,omitempty"`
}

// round is one pass over the API with one credential.
type round struct {
	*tailscale.Client
	ctx    context.Context
	as     string
	device string
}

func (r *round) step(name string, do func() (any, error)) {
	saw, err := do()
	l := line{As: r.as, Step: name, Saw: saw}
	if err != nil {
		l.Saw, l.Error = nil, err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
		panic(err)
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: api-client DEVICE-ID")
		os.Exit(2)
	}
	base, err := url.Parse(os.Getenv("FLARESCALE_URL"))
	if err != nil || base.Host == "" {
		fmt.Fprintln(os.Stderr, "api-client: FLARESCALE_URL must be the URL of the control server")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	token := &tailscale.Client{BaseURL: base, APIKey: os.Getenv("FLARESCALE_API_TOKEN")}
	first := &round{Client: token, ctx: ctx, as: "token", device: os.Args[1]}
	first.all()

	made, err := token.Keys().CreateOAuthClient(ctx, tailscale.CreateOAuthClientRequest{
		Scopes: []string{"all"}, Tags: []string{tag}, Description: "second round",
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "api-client: cannot make the OAuth client:", err)
		os.Exit(1)
	}
	credentials := &tailscale.OAuth{ClientID: made.ID, ClientSecret: made.Key}
	second := &round{
		Client: &tailscale.Client{BaseURL: base, Auth: credentials},
		ctx:    ctx, as: "oauth", device: os.Args[1],
	}
	second.all()
}
