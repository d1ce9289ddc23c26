package main

import (
	"fmt"
	"strings"

	"tailscale.com/client/tailscale/v2"
)

const tag = "tag:ci"

const policy = `{
  // a comment that has to survive
  "tagOwners": {"tag:ci": []},
  "acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}],
}
`

func (r *round) all() {
	r.policyFile()
	r.devices()
	r.keys()
	r.federatedIdentity()
	r.dns()
	r.users()
	r.tailnet()
	r.services()
	r.webhooks()
	r.postureIntegrations()
	r.logging()
	r.methods()
}

func (r *round) policyFile() {
	file := r.PolicyFile()
	r.step("policy set and read", func() (any, error) {
		if err := file.Set(r.ctx, policy, ""); err != nil {
			return nil, err
		}
		raw, err := file.Raw(r.ctx)
		if err != nil {
			return nil, err
		}
		parsed, err := file.Get(r.ctx)
		if err != nil {
			return nil, err
		}
		return map[string]any{
			"unchanged": raw.HuJSON == policy,
			"sameTag":   raw.ETag != "" && raw.ETag == parsed.ETag,
			"tagOwners": parsed.TagOwners,
			"setAgain":  file.Set(r.ctx, policy, raw.ETag) == nil,
		}, nil
	})
	r.step("policy as a value", func() (any, error) {
		value := tailscale.ACL{
			TagOwners: map[string][]string{tag: {"autogroup:admin"}},
			ACLs:      []tailscale.ACLEntry{{Action: "accept", Source: []string{"*"}, Destination: []string{"*:*"}}},
		}
		stored, err := file.SetAndGet(r.ctx, value, "")
		if err != nil {
			return nil, err
		}
		got := map[string]any{"tagOwners": stored.TagOwners, "acls": len(stored.ACLs), "tag": stored.ETag != ""}
		return got, file.Set(r.ctx, policy, stored.ETag)
	})
	r.step("policy with a stale tag", func() (any, error) { return nil, file.Set(r.ctx, policy, strings.Repeat("0", 64)) })
	r.step("policy valid", func() (any, error) { return true, file.Validate(r.ctx, policy) })
	r.step("policy invalid", func() (any, error) {
		return nil, file.Validate(r.ctx, `{"acls": [{"action": "accept", "src": ["tag:nobody"], "dst": ["*:*"]}]}`)
	})
}

func (r *round) devices() {
	devices := r.Devices()
	r.step("devices", func() (any, error) {
		list, err := devices.ListWithAllFields(r.ctx)
		seen := []any{}
		for _, d := range list {
			seen = append(seen, map[string]any{"hostname": d.Hostname, "user": d.User, "advertised": d.AdvertisedRoutes})
		}
		return seen, err
	})
	r.step("device routes", func() (any, error) {
		if err := devices.SetSubnetRoutes(r.ctx, r.device, []string{"10.9.0.0/24"}); err != nil {
			return nil, err
		}
		return devices.SubnetRoutes(r.ctx, r.device)
	})
	r.step("device with all fields", func() (any, error) {
		whole, err := devices.GetWithAllFields(r.ctx, r.device)
		if err != nil {
			return nil, err
		}
		usual, err := devices.Get(r.ctx, r.device)
		if err != nil {
			return nil, err
		}
		return map[string]any{"whole": whole.EnabledRoutes, "usual": usual.EnabledRoutes}, nil
	})
	r.step("device changed", func() (any, error) {
		if err := devices.SetName(r.ctx, r.device, "named-by-"+r.as); err != nil {
			return nil, err
		}
		if err := devices.SetTags(r.ctx, r.device, []string{tag}); err != nil {
			return nil, err
		}
		if err := devices.SetKey(r.ctx, r.device, tailscale.DeviceKey{KeyExpiryDisabled: true}); err != nil {
			return nil, err
		}
		if err := devices.SetAuthorized(r.ctx, r.device, true); err != nil {
			return nil, err
		}
		d, err := devices.Get(r.ctx, r.device)
		if err != nil {
			return nil, err
		}
		name, _, _ := strings.Cut(d.Name, ".")
		return map[string]any{
			"name": name, "tags": d.Tags, "keyExpiryDisabled": d.KeyExpiryDisabled, "authorized": d.Authorized,
		}, nil
	})
	r.step("posture attribute", func() (any, error) {
		const key = "custom:proof"
		value := tailscale.DevicePostureAttributeRequest{Value: r.as}
		if err := devices.SetPostureAttribute(r.ctx, r.device, key, value); err != nil {
			return nil, err
		}
		set, err := devices.GetPostureAttributes(r.ctx, r.device)
		if err != nil {
			return nil, err
		}
		if err := devices.DeletePostureAttribute(r.ctx, r.device, key); err != nil {
			return nil, err
		}
		left, err := devices.GetPostureAttributes(r.ctx, r.device)
		if err != nil {
			return nil, err
		}
		_, remains := left.Attributes[key]
		return map[string]any{"value": set.Attributes[key], "remains": remains}, nil
	})
	r.step("device address", func() (any, error) {
		before, err := devices.Get(r.ctx, r.device)
		if err != nil {
			return nil, err
		}
		if err := devices.SetIPv4Address(r.ctx, r.device, r.address); err != nil {
			return nil, err
		}
		after, err := devices.Get(r.ctx, r.device)
		if err != nil {
			return nil, err
		}
		return map[string]any{
			"moved": before.Addresses[0] != after.Addresses[0], "address": after.Addresses[0],
			"sameIPv6": before.Addresses[1] == after.Addresses[1],
		}, nil
	})
	r.step("device address outside", func() (any, error) {
		return nil, devices.SetIPv4Address(r.ctx, r.device, "192.0.2.1")
	})
	r.step("devices by tag and name", func() (any, error) {
		tagged, err := devices.List(r.ctx, tailscale.WithFilter("tags", []string{tag}))
		if err != nil {
			return nil, err
		}
		named, err := devices.List(r.ctx, tailscale.WithFilter("hostname", []string{r.disposable}))
		if err != nil {
			return nil, err
		}
		return map[string]any{"tagged": len(tagged), "named": len(named)}, nil
	})
	r.step("device deleted", func() (any, error) {
		found, err := devices.List(r.ctx, tailscale.WithFilter("hostname", []string{r.disposable}))
		if err != nil || len(found) != 1 {
			return nil, fmt.Errorf("%d devices, %w", len(found), err)
		}
		if err := devices.Delete(r.ctx, found[0].NodeID); err != nil {
			return nil, err
		}
		return tailscale.IsNotFound(devices.Delete(r.ctx, found[0].ID)), nil
	})
	r.step("device unknown", func() (any, error) {
		_, err := devices.Get(r.ctx, "999999")
		return tailscale.IsNotFound(err), nil
	})
}

func (r *round) keys() {
	keys := r.Keys()
	r.step("auth key", func() (any, error) {
		request := tailscale.CreateKeyRequest{ExpirySeconds: 600, Description: "proof"}
		request.Capabilities.Devices.Create.Tags = []string{tag}
		request.Capabilities.Devices.Create.Preauthorized = true
		return r.keyLife(keys.CreateAuthKey(r.ctx, request))
	})
	r.step("OAuth client", func() (any, error) {
		return r.keyLife(keys.CreateOAuthClient(r.ctx, tailscale.CreateOAuthClientRequest{
			Scopes: []string{"auth_keys"}, Tags: []string{tag}, Description: "proof",
		}))
	})
}

// keyLife follows a new credential: it is listed, read without its secret, deleted.
func (r *round) keyLife(made *tailscale.Key, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	list, err := r.Keys().List(r.ctx, true)
	if err != nil {
		return nil, err
	}
	listed := false
	for _, key := range list {
		listed = listed || key.ID == made.ID
	}
	read, err := r.Keys().Get(r.ctx, made.ID)
	if err != nil {
		return nil, err
	}
	if err := r.Keys().Delete(r.ctx, made.ID); err != nil {
		return nil, err
	}
	prefix, _, _ := strings.Cut(made.Key, made.ID)
	return map[string]any{
		"prefix": prefix, "listed": listed, "description": read.Description, "secretAgain": read.Key,
		"scopes": read.Scopes, "tags": append(read.Tags, read.Capabilities.Devices.Create.Tags...),
	}, nil
}

func (r *round) dns() {
	dns := r.DNS()
	r.step("DNS", func() (any, error) {
		if err := dns.SetNameservers(r.ctx, []string{"192.0.2.53"}); err != nil {
			return nil, err
		}
		if err := dns.SetSearchPaths(r.ctx, []string{"corp.example.com"}); err != nil {
			return nil, err
		}
		if err := dns.SetPreferences(r.ctx, tailscale.DNSPreferences{MagicDNS: true}); err != nil {
			return nil, err
		}
		if err := dns.SetSplitDNS(r.ctx, tailscale.SplitDNSRequest{"old.example.com": {"192.0.2.1"}}); err != nil {
			return nil, err
		}
		split, err := dns.UpdateSplitDNS(r.ctx, tailscale.SplitDNSRequest{
			"old.example.com": nil, "new.example.com": {"192.0.2.2"},
		})
		if err != nil {
			return nil, err
		}
		configuration, err := dns.Configuration(r.ctx)
		if err != nil {
			return nil, err
		}
		if err := dns.SetConfiguration(r.ctx, *configuration); err != nil {
			return nil, err
		}
		again, err := dns.Configuration(r.ctx)
		return map[string]any{"updated": split, "configuration": again}, err
	})
	r.step("DNS in parts", func() (any, error) {
		servers, err := dns.Nameservers(r.ctx)
		if err != nil {
			return nil, err
		}
		paths, err := dns.SearchPaths(r.ctx)
		if err != nil {
			return nil, err
		}
		split, err := dns.SplitDNS(r.ctx)
		if err != nil {
			return nil, err
		}
		preferences, err := dns.Preferences(r.ctx)
		return map[string]any{"servers": servers, "paths": paths, "split": split, "preferences": preferences}, err
	})
}

func (r *round) users() {
	r.step("users", func() (any, error) {
		list, err := r.Users().List(r.ctx, nil, nil)
		if err != nil {
			return nil, err
		}
		seen := []any{}
		for _, each := range list {
			user, err := r.Users().Get(r.ctx, each.ID)
			if err != nil {
				return nil, err
			}
			seen = append(seen, map[string]any{"login": user.LoginName, "role": user.Role, "status": user.Status})
		}
		return seen, nil
	})
}

func (r *round) tailnet() {
	r.step("contacts", func() (any, error) {
		request := tailscale.UpdateContactRequest{Email: tailscale.PointerTo(r.as + "@example.com")}
		if err := r.Contacts().Update(r.ctx, tailscale.ContactSecurity, request); err != nil {
			return nil, err
		}
		contacts, err := r.Contacts().Get(r.ctx)
		if err != nil {
			return nil, err
		}
		return contacts.Security, nil
	})
	r.step("settings", func() (any, error) {
		request := tailscale.UpdateTailnetSettingsRequest{DevicesKeyDurationDays: tailscale.PointerTo(42)}
		if err := r.TailnetSettings().Update(r.ctx, request); err != nil {
			return nil, err
		}
		settings, err := r.TailnetSettings().Get(r.ctx)
		if err != nil {
			return nil, err
		}
		return settings.DevicesKeyDurationDays, nil
	})
}

func (r *round) services() {
	services := r.VIPServices()
	r.step("service", func() (any, error) {
		wanted := tailscale.VIPService{Name: "svc:proof", Ports: []string{"tcp:443"}, Comment: "proof", Tags: []string{tag}}
		if err := services.CreateOrUpdate(r.ctx, wanted); err != nil {
			return nil, err
		}
		list, err := services.List(r.ctx)
		if err != nil {
			return nil, err
		}
		service, err := services.Get(r.ctx, wanted.Name)
		if err != nil {
			return nil, err
		}
		if err := services.Delete(r.ctx, wanted.Name); err != nil {
			return nil, err
		}
		_, err = services.Get(r.ctx, wanted.Name)
		return map[string]any{
			"listed": len(list), "ports": service.Ports, "comment": service.Comment, "tags": service.Tags,
			"addresses": len(service.Addrs), "gone": tailscale.IsNotFound(err),
		}, nil
	})
}
