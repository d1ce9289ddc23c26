// Command reference-control runs upstream's own in-memory control server (tailscale.com/tstest/integration/testcontrol)
// on a given address. The end-to-end helpers are tested against it, so that a failing scenario tells a broken
// flarescale from a broken helper. Every auth key is welcome unless -authkey names the only one.
//
// It prints one line of JSON when it listens and ends when standard input closes.
package main

import (
	"encoding/json"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration/testcontrol"
)

var (
	listen    = flag.String("listen", "127.0.0.1:0", "address to listen on")
	derpMap   = flag.String("derp-map", `{"OmitDefaultRegions":true}`, "DERP map as JSON")
	domain    = flag.String("domain", "reference.test", "MagicDNS domain")
	authKey   = flag.String("authkey", "", "the only auth key to accept")
	mustLogin = flag.Bool("require-login", false, "answer each registration with a login URL, which is opened with GET")
)

func main() {
	flag.Parse()
	regions := new(tailcfg.DERPMap)
	if err := json.Unmarshal([]byte(*derpMap), regions); err != nil {
		log.Fatalf("-derp-map: %v", err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	control := &testcontrol.Server{
		DERPMap:         regions,
		DNSConfig:       &tailcfg.DNSConfig{Proxied: true, Domains: []string{*domain}},
		MagicDNSDomain:  *domain,
		RequireAuthKey:  *authKey,
		RequireAuth:     *mustLogin,
		AllOnline:       true,
		ExplicitBaseURL: url,
		SSHPolicy:       &tailcfg.SSHPolicy{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth/{id}", func(w http.ResponseWriter, r *http.Request) {
		if !control.CompleteAuth(r.URL.Path) {
			http.NotFound(w, r)
		}
	})
	mux.Handle("/key", control)
	mux.Handle("/ts2021", control)
	mux.Handle("/machine/", control)
	mux.Handle("/c2n/", control)
	go func() { log.Fatal(http.Serve(listener, mux)) }()
	json.NewEncoder(os.Stdout).Encode(map[string]string{"controlUrl": url})
	io.Copy(io.Discard, os.Stdin)
}
