// Command tsnet-peer is a tailnet node inside a Go program, for the end-to-end tests: it joins with an auth key, serves
// HTTP on the tailnet and fetches URLs through the tailnet on request.
//
// It speaks JSON lines. Standard output carries one [event] a line; standard input takes one [command] a line, answered
// by an event with the same id. The program ends when standard input closes, so that no peer outlives its test.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"tailscale.com/client/local"
	"tailscale.com/envknob"
	"tailscale.com/ipn"
	"tailscale.com/logtail"
	"tailscale.com/tailcfg"
	"tailscale.com/tsnet"
)

const (
	maxBodyBytes   = 1 << 20 // of a fetched reply that is passed on
	defaultTimeout = 30 * time.Second
)

var (
	controlURL  = flag.String("control-url", "", "URL of the control server (required)")
	authKey     = flag.String("authkey", "", "auth key; without one the peer waits for an interactive login")
	hostname    = flag.String("hostname", "tsnet-peer", "host name asked for")
	stateDir    = flag.String("dir", "", "state directory (required)")
	ephemeral   = flag.Bool("ephemeral", false, "register as an ephemeral node")
	tags        = flag.String("tags", "", "comma-separated tags to advertise")
	getURL      = flag.String("get", "", "URL to fetch through the tailnet as soon as the peer runs")
	verboseLogs = flag.Bool("verbose", false, "write the backend's log to standard error")
)

// command is one line of standard input. Exactly one of Get, Ping (an address) and Status is set.
type command struct {
	ID             int     `json:"id"`
	Get            string  `json:"get,omitempty"`
	Ping           string  `json:"ping,omitempty"`
	Status         bool    `json:"status,omitempty"`
	TimeoutSeconds float64 `json:"timeoutSeconds,omitempty"`
}

// event is one line of standard output. Event says which of the other fields are present:
//
//	state    State, and AuthURL once the server asks for an interactive login
//	running  Hostname, DNSName and IPs; the peer is reachable from now on
//	got      ID and URL, then StatusCode and Body, or Error
//	pong     ID and Pong, or Error
//	status   ID and Status
//	error    Error; nothing else can be expected of the peer
type event struct {
	Event      string   `json:"event"`
	ID         int      `json:"id,omitempty"`
	State      string   `json:"state,omitempty"`
	AuthURL    string   `json:"authUrl,omitempty"`
	Hostname   string   `json:"hostname,omitempty"`
	DNSName    string   `json:"dnsName,omitempty"`
	IPs        []string `json:"ips,omitempty"`
	URL        string   `json:"url,omitempty"`
	StatusCode int      `json:"statusCode,omitempty"`
	Body       string   `json:"body,omitempty"`
	Pong       any      `json:"pong,omitempty"`
	Status     any      `json:"status,omitempty"`
	Error      string   `json:"error,omitempty"`
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
	if *controlURL == "" || *stateDir == "" {
		flag.Usage()
		os.Exit(2)
	}
	stayLocal()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, stop); err != nil && ctx.Err() == nil {
		emit(event{Event: "error", Error: err.Error()})
		os.Exit(1)
	}
}

// stayLocal switches off what would reach beyond the test: log upload and port mapping at the default gateway.
func stayLocal() {
	envknob.SetNoLogsNoSupport()
	logtail.Disable()
	envknob.Setenv("TS_DISABLE_PORTMAPPER", "true")
}

func run(ctx context.Context, stop func()) error {
	server := newServer()
	defer server.Close()
	client, err := server.LocalClient() // starts the node
	if err != nil {
		return err
	}
	go watchState(ctx, client)
	go readCommands(ctx, stop, server, client)

	status, err := server.Up(ctx)
	if err != nil {
		return err
	}
	listener, err := server.Listen("tcp", ":80")
	if err != nil {
		return err
	}
	running := event{Event: "running", Hostname: *hostname, DNSName: strings.TrimSuffix(status.Self.DNSName, ".")}
	for _, ip := range status.TailscaleIPs {
		running.IPs = append(running.IPs, ip.String())
	}
	emit(running)
	if *getURL != "" {
		go emit(fetch(ctx, server, command{Get: *getURL}))
	}
	go http.Serve(listener, handler(client))
	<-ctx.Done()
	return nil
}

func newServer() *tsnet.Server {
	server := &tsnet.Server{
		Dir:        *stateDir,
		Hostname:   *hostname,
		AuthKey:    *authKey,
		ControlURL: *controlURL,
		Ephemeral:  *ephemeral,
		UserLogf:   log.Printf, // standard error
	}
	if *tags != "" {
		server.AdvertiseTags = strings.Split(*tags, ",")
	}
	if *verboseLogs {
		server.Logf = log.Printf
	}
	return server
}

// watchState reports each change of the backend's state and each login URL.
func watchState(ctx context.Context, client *local.Client) {
	watcher, err := client.WatchIPNBus(ctx, ipn.NotifyInitialState)
	if err != nil {
		return
	}
	defer watcher.Close()
	var state string
	for {
		notify, err := watcher.Next()
		if err != nil {
			return
		}
		if notify.State != nil {
			state = notify.State.String()
		}
		switch {
		case notify.BrowseToURL != nil && *notify.BrowseToURL != "":
			emit(event{Event: "state", State: state, AuthURL: *notify.BrowseToURL})
		case notify.State != nil:
			emit(event{Event: "state", State: state})
		}
	}
}

// readCommands carries out commands, each in its own goroutine, until standard input closes; then it stops the peer.
func readCommands(ctx context.Context, stop func(), server *tsnet.Server, client *local.Client) {
	defer stop()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			emit(event{Event: "error", Error: "bad command: " + err.Error()})
			continue
		}
		go func() {
			switch {
			case c.Get != "":
				emit(fetch(ctx, server, c))
			case c.Ping != "":
				emit(ping(ctx, client, c))
			case c.Status:
				emit(currentStatus(ctx, client, c))
			default:
				emit(event{Event: "error", ID: c.ID, Error: "bad command: neither get, ping nor status"})
			}
		}()
	}
}

func (c command) timeout() time.Duration {
	if c.TimeoutSeconds > 0 {
		return time.Duration(c.TimeoutSeconds * float64(time.Second))
	}
	return defaultTimeout
}

func fetch(ctx context.Context, server *tsnet.Server, c command) event {
	result := event{Event: "got", ID: c.ID, URL: c.Get}
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Get, nil)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	client := server.HTTPClient()
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBodyBytes))
	if err != nil {
		result.Error = err.Error()
		return result
	}
	result.StatusCode = response.StatusCode
	result.Body = string(body)
	return result
}

// ping asks a peer for a sign of life, as "tailscale ping" does.
func ping(ctx context.Context, client *local.Client, c command) event {
	result := event{Event: "pong", ID: c.ID}
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	ip, err := netip.ParseAddr(c.Ping)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	pong, err := client.Ping(ctx, ip, tailcfg.PingDisco)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	result.Pong, result.Error = pong, pong.Err
	return result
}

func currentStatus(ctx context.Context, client *local.Client, c command) event {
	status, err := client.Status(ctx)
	if err != nil {
		return event{Event: "status", ID: c.ID, Error: err.Error()}
	}
	return event{Event: "status", ID: c.ID, Status: status}
}

// handler answers / with the host name and /whois with what the control server says about the caller.
func handler(client *local.Client) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, *hostname)
	})
	mux.HandleFunc("GET /whois", func(w http.ResponseWriter, r *http.Request) {
		who, err := client.WhoIs(r.Context(), r.RemoteAddr)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(struct {
			Node      string
			LoginName string
			Tags      []string
			CapMap    tailcfg.PeerCapMap
		}{who.Node.Name, who.UserProfile.LoginName, who.Node.Tags, who.CapMap})
	})
	return mux
}
