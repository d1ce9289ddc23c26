// Command operator-flows makes the calls that the Kubernetes operator makes, in its order and with the same Go client:
// boot, exposed services, proxy groups, ingresses and services with an address of their own, the API server proxy, the
// recorder and the readiness of a tailnet (api-v2.md 3).
//
// FLARESCALE_URL, FLARESCALE_CLIENT_ID and FLARESCALE_CLIENT_SECRET say where and who. Every step is one line of JSON:
// {"step":"…","saw":…}, with "error" instead of "saw" when a call failed. Where a pod would log in, the line has
// {"join":{"hostname":"…","key":"…"}} and the program waits for a line with the node's stable id on standard input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"tailscale.com/client/tailscale/v2"
)

const (
	operatorTag = "tag:k8s-operator"
	proxyTag    = "tag:k8s"
)

type line struct {
	Step  string `json:"step,omitempty"`
	Saw   any    `json:"saw,omitempty"`
	Error string `json:"error,omitempty"`
	Join  *join  `json:"join,omitempty"`
}

type join struct {
	Hostname string `json:"hostname"`
	Key      string `json:"key"`
}

// operator is one run of the flows.
type operator struct {
	*tailscale.Client
	ctx    context.Context
	input  *bufio.Scanner
	nodeID string // its own stable id, which its services name as their owner
}

func main() {
	base, err := url.Parse(os.Getenv("FLARESCALE_URL"))
	if err != nil || base.Host == "" {
		fmt.Fprintln(os.Stderr, "operator-flows: FLARESCALE_URL must be the URL of the control server")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	auth := &tailscale.OAuth{
		ClientID: os.Getenv("FLARESCALE_CLIENT_ID"), ClientSecret: os.Getenv("FLARESCALE_CLIENT_SECRET"),
	}
	o := &operator{
		Client: &tailscale.Client{BaseURL: base, Auth: auth, UserAgent: "tailscale-k8s-operator"},
		ctx:    ctx, input: bufio.NewScanner(os.Stdin),
	}
	o.boot()
	o.exposeService()
	o.proxyGroup()
	o.ingress()
	o.serviceWithAddress()
	o.apiServerProxy()
	o.recorder()
	o.readiness()
	o.foreignGround()
}

func (o *operator) step(name string, do func() (any, error)) {
	saw, err := do()
	l := line{Step: name, Saw: saw}
	if err != nil {
		l.Saw, l.Error = nil, err.Error()
	}
	print(l)
}

func print(l line) {
	if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
		panic(err)
	}
}

// login has a pod log in with a new key and returns the stable id of its node.
func (o *operator) login(hostname string, tags ...string) (string, error) {
	key, err := o.newKey(tags...)
	if err != nil {
		return "", err
	}
	print(line{Join: &join{Hostname: hostname, Key: key}})
	if !o.input.Scan() {
		return "", fmt.Errorf("nobody logged in as %s", hostname)
	}
	return strings.TrimSpace(o.input.Text()), nil
}

// newKey makes an auth key with the request that all of the operator's reconcilers send.
func (o *operator) newKey(tags ...string) (string, error) {
	request := tailscale.CreateKeyRequest{}
	request.Capabilities.Devices.Create.Preauthorized = true
	request.Capabilities.Devices.Create.Tags = tags
	made, err := o.Keys().CreateAuthKey(o.ctx, request)
	if err != nil {
		return "", err
	}
	return made.Key, nil
}

// deleteDevice counts a device that is gone as deleted, as the operator does.
func (o *operator) deleteDevice(id string) (string, error) {
	err := o.Devices().Delete(o.ctx, id)
	if tailscale.IsNotFound(err) {
		return "gone already", nil
	}
	return "deleted", err
}
