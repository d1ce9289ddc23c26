// Command api-client drives the official Go client of the REST API against a control server and prints what it saw.
//
// It works through all resources three times: with the API token of the environment, as an OAuth client that the first
// round has made, and as the federated identity FLARESCALE_CLIENT_ID whose issuer has signed FLARESCALE_ID_TOKEN. Every
// step is one line of JSON: {"as":"token","step":"…","saw":…}, with "error" instead of "saw" when the client reported
// one. The last step of a round tells which methods of the client's resources no step has called. FLARESCALE_URL and FLARESCALE_API_TOKEN say where and who, the argument names a device; each round deletes the
// device with the host name disposable-<round>.
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
	recorder   *recorder
	ctx        context.Context
	as         string
	device     string
	disposable string
	address    string
}

func newRound(ctx context.Context, client *tailscale.Client, as, address string) *round {
	recorder := newRecorder()
	client.HTTP = recorder.client()
	return &round{
		Client: client, recorder: recorder, ctx: ctx, as: as,
		device: os.Args[1], disposable: "disposable-" + as, address: address,
	}
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
	newRound(ctx, token, "token", "100.64.7.1").all()

	made, err := token.Keys().CreateOAuthClient(ctx, tailscale.CreateOAuthClientRequest{
		Scopes: []string{"all"}, Tags: []string{tag}, Description: "second round",
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "api-client: cannot make the OAuth client:", err)
		os.Exit(1)
	}
	oauth := &tailscale.OAuth{ClientID: made.ID, ClientSecret: made.Key}
	newRound(ctx, &tailscale.Client{BaseURL: base, Auth: oauth}, "oauth", "100.64.7.2").all()

	identity := &tailscale.IdentityFederation{
		ClientID:    os.Getenv("FLARESCALE_CLIENT_ID"),
		IDTokenFunc: func() (string, error) { return os.Getenv("FLARESCALE_ID_TOKEN"), nil },
	}
	newRound(ctx, &tailscale.Client{BaseURL: base, Auth: identity}, "federated", "100.64.7.3").all()
}
