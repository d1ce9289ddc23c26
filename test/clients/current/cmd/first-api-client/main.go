// Command first-api-client drives the first Go client of the REST API, which programs from before the second one still
// use, against a control server and prints what it saw: one line of JSON for each step, {"step":"…","saw":…}, with
// "error" instead of "saw" when the client reported one. FLARESCALE_URL and FLARESCALE_API_TOKEN say where and who; the
// argument is the id of a device that advertises 10.9.0.0/24.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"time"

	"tailscale.com/client/tailscale"
	"tailscale.com/client/tailscale/apitype"
)

const policy = `{
  // a comment that has to survive
  "tagOwners": {"tag:ci": []},
  "acls": [{"action": "accept", "src": ["*"], "dst": ["*:443"]}],
}
`

type line struct {
	Step  string `json:"step"`
	Saw   any    `json:"saw,omitempty"`
	Error string `json:"error,omitempty"`
}

func step(name string, do func() (any, error)) {
	saw, err := do()
	l := line{Step: name, Saw: saw}
	if err != nil {
		l.Saw, l.Error = nil, err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
		panic(err)
	}
}

func main() {
	if len(os.Args) != 2 || os.Getenv("FLARESCALE_URL") == "" {
		fmt.Fprintln(os.Stderr, "usage: FLARESCALE_URL=… FLARESCALE_API_TOKEN=… first-api-client DEVICE-ID")
		os.Exit(2)
	}
	tailscale.I_Acknowledge_This_API_Is_Unstable = true
	client := tailscale.NewClient("-", tailscale.APIKey(os.Getenv("FLARESCALE_API_TOKEN")))
	client.BaseURL = os.Getenv("FLARESCALE_URL")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	policyFile(ctx, client)
	dns(ctx, client)
	devices(ctx, client, os.Args[1])
	keys(ctx, client)
}

func policyFile(ctx context.Context, client *tailscale.Client) {
	step("policy", func() (any, error) {
		set, err := client.SetACLHuJSON(ctx, tailscale.ACLHuJSON{ACL: policy}, false)
		if err != nil {
			return nil, err
		}
		read, err := client.ACLHuJSON(ctx)
		if err != nil {
			return nil, err
		}
		parsed, err := client.ACL(ctx)
		if err != nil {
			return nil, err
		}
		_, stale := client.SetACLHuJSON(ctx, tailscale.ACLHuJSON{ACL: policy, ETag: `"0000"`}, true)
		return map[string]any{
			"set": set.ACL == policy, "read": read.ACL == policy, "sameTag": read.ETag != "" && read.ETag == parsed.ETag,
			"warnings": read.Warnings, "tagOwners": parsed.ACL.TagOwners, "stale": messageOf(stale),
		}, nil
	})
	step("preview", func() (any, error) {
		hujson := tailscale.ACLHuJSON{ACL: policy}
		user, err := client.PreviewACLHuJSONForUser(ctx, hujson, "admin@localhost")
		if err != nil {
			return nil, err
		}
		port, err := client.PreviewACLHuJSONForIPPort(ctx, hujson, "100.64.0.1:443")
		if err != nil {
			return nil, err
		}
		return map[string]any{"user": user.Matches, "port": len(port.Matches)}, nil
	})
	step("test", func() (any, error) {
		passed, err := client.ValidateACLJSON(ctx, "admin@localhost", "100.64.0.1:443")
		if err != nil {
			return nil, err
		}
		failed, err := client.ValidateACLJSON(ctx, "admin@localhost", "100.64.0.1:22")
		if err != nil {
			return nil, err
		}
		return map[string]any{"passed": passed, "failed": failed}, nil
	})
}

func dns(ctx context.Context, client *tailscale.Client) {
	step("DNS", func() (any, error) {
		return client.SetDNSConfig(ctx, apitype.DNSConfig{
			Resolvers: []apitype.DNSResolver{{Addr: "192.0.2.53", UseWithExitNode: true}},
			Routes:    map[string][]apitype.DNSResolver{"corp.example.com": {{Addr: "192.0.2.54"}}},
			Domains:   []string{"corp.example.com"},
			Proxied:   true,
		})
	})
	step("DNS in parts", func() (any, error) {
		servers, err := client.NameServers(ctx)
		if err != nil {
			return nil, err
		}
		paths, err := client.SearchPaths(ctx)
		if err != nil {
			return nil, err
		}
		preferences, err := client.DNSPreferences(ctx)
		return map[string]any{"servers": servers, "paths": paths, "magic": preferences.MagicDNS}, err
	})
	step("DNS cleared", func() (any, error) {
		if _, err := client.SetNameServers(ctx, []string{}); err != nil {
			return nil, err
		}
		if _, err := client.SetSearchPaths(ctx, []string{}); err != nil {
			return nil, err
		}
		if _, err := client.SetDNSPreferences(ctx, false); err != nil {
			return nil, err
		}
		return client.DNSConfig(ctx)
	})
}

func devices(ctx context.Context, client *tailscale.Client, id string) {
	step("device", func() (any, error) {
		list, err := client.Devices(ctx, tailscale.DeviceDefaultFields)
		if err != nil {
			return nil, err
		}
		whole, err := client.Device(ctx, id, tailscale.DeviceAllFields)
		if err != nil {
			return nil, err
		}
		if err := client.SetTags(ctx, id, []string{"tag:ci"}); err != nil {
			return nil, err
		}
		if err := client.SetAuthorized(ctx, id, true); err != nil {
			return nil, err
		}
		routes, err := client.SetRoutes(ctx, id, []netip.Prefix{netip.MustParsePrefix("10.9.0.0/24")})
		if err != nil {
			return nil, err
		}
		read, err := client.Routes(ctx, id)
		if err != nil {
			return nil, err
		}
		return map[string]any{
			"listed": len(list), "hostname": whole.Hostname, "advertised": whole.AdvertisedRoutes, "routes": routes,
			"sameRoutes": fmt.Sprint(*read) == fmt.Sprint(*routes),
		}, nil
	})
	step("device deleted", func() (any, error) {
		if err := client.DeleteDevice(ctx, id); err != nil {
			return nil, err
		}
		return nil, client.DeleteDevice(ctx, id)
	})
}

func keys(ctx context.Context, client *tailscale.Client) {
	step("auth key", func() (any, error) {
		capabilities := tailscale.KeyCapabilities{}
		capabilities.Devices.Create = tailscale.KeyDeviceCreateCapabilities{Preauthorized: true, Tags: []string{"tag:ci"}}
		secret, made, err := client.CreateKeyWithExpiry(ctx, capabilities, time.Hour)
		if err != nil {
			return nil, err
		}
		ids, err := client.Keys(ctx)
		if err != nil {
			return nil, err
		}
		read, err := client.Key(ctx, made.ID)
		if err != nil {
			return nil, err
		}
		listed := false
		for _, id := range ids {
			listed = listed || id == made.ID
		}
		return map[string]any{
			"secret": secret != "", "listed": listed, "create": read.Capabilities.Devices.Create,
			"life": read.Expires.Sub(read.Created).String(),
		}, client.DeleteKey(ctx, made.ID)
	})
}

func messageOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
