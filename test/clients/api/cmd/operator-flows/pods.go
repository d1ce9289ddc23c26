package main

import (
	"tailscale.com/client/tailscale/v2"
)

// boot: the operator's own node logs in and learns its stable id.
func (o *operator) boot() {
	o.step("boot", func() (any, error) {
		id, err := o.login("operator", operatorTag)
		if err != nil {
			return nil, err
		}
		o.nodeID = id
		device, err := o.Devices().Get(o.ctx, id)
		if err != nil {
			return nil, err
		}
		return map[string]any{"sameID": device.NodeID == id, "tags": device.Tags, "authorized": device.Authorized}, nil
	})
}

// exposeService: one proxy pod for a Service; its device goes with it, and going twice is fine.
func (o *operator) exposeService() {
	o.step("expose a Service", func() (any, error) {
		id, err := o.login("proxy-0", proxyTag)
		if err != nil {
			return nil, err
		}
		first, err := o.deleteDevice(id)
		if err != nil {
			return nil, err
		}
		second, err := o.deleteDevice(id)
		return []string{first, second}, err
	})
	o.step("key with two tags", func() (any, error) {
		key, err := o.newKey(proxyTag, operatorTag)
		return key != "", err
	})
}

// proxyGroup: two replicas, of which one loses its state, then both go.
func (o *operator) proxyGroup() {
	o.step("ProxyGroup", func() (any, error) {
		ids := []string{}
		for _, name := range []string{"ingress-0", "ingress-1"} {
			id, err := o.login(name, proxyTag)
			if err != nil {
				return nil, err
			}
			ids = append(ids, id)
		}
		if _, err := o.deleteDevice(ids[0]); err != nil {
			return nil, err
		}
		again, err := o.login("ingress-0", proxyTag)
		if err != nil {
			return nil, err
		}
		isNew := again != ids[0]
		ids[0] = again
		ended := []string{}
		for _, id := range ids {
			how, err := o.deleteDevice(id)
			if err != nil {
				return nil, err
			}
			ended = append(ended, how)
		}
		return map[string]any{"reissued": isNew, "ended": ended}, nil
	})
}

// recorder: what its status is made of.
func (o *operator) recorder() {
	o.step("Recorder", func() (any, error) {
		id, err := o.login("recorder-0", proxyTag)
		if err != nil {
			return nil, err
		}
		device, err := o.Devices().Get(o.ctx, id)
		if err != nil {
			return nil, err
		}
		return map[string]any{"hostname": device.Hostname, "addresses": len(device.Addresses)}, nil
	})
}

// readiness: the three lists that must answer before a tailnet is ready.
func (o *operator) readiness() {
	o.step("readiness of a Tailnet", func() (any, error) {
		devices, err := o.Devices().List(o.ctx)
		if err != nil {
			return nil, err
		}
		if _, err := o.Keys().List(o.ctx, false); err != nil {
			return nil, err
		}
		services, err := o.VIPServices().List(o.ctx)
		return map[string]any{"devices": len(devices) > 0, "services": len(services)}, err
	})
}

// foreignGround: what the operator's scopes and tags do not cover is refused.
func (o *operator) foreignGround() {
	o.step("policy file", func() (any, error) { return o.PolicyFile().Raw(o.ctx) })
	o.step("settings of others", func() (any, error) {
		return nil, o.TailnetSettings().Update(o.ctx, tailscale.UpdateTailnetSettingsRequest{HTTPSEnabled: tailscale.PointerTo(true)})
	})
	o.step("key with a tag of others", func() (any, error) { return o.newKey("tag:prod") })
	o.step("key without tags", func() (any, error) { return o.newKey() })
}
