package main

import (
	"encoding/json"
	"errors"
	"reflect"

	"tailscale.com/client/tailscale/v2"
)

const ownersAnnotation = "tailscale.com/owner-references"

type ownerRef struct {
	OperatorID string         `json:"operatorID"`
	Resource   map[string]any `json:"resource,omitempty"`
}

func ownedBy(refs ...ownerRef) map[string]string {
	text, err := json.Marshal(map[string]any{"ownerRefs": refs})
	if err != nil {
		panic(err)
	}
	return map[string]string{ownersAnnotation: string(text)}
}

// reconcile brings a service to what is wanted, as the operator does: nothing is sent when it is so already.
func (o *operator) reconcile(wanted tailscale.VIPService) (string, error) {
	present, err := o.VIPServices().Get(o.ctx, wanted.Name)
	switch {
	case tailscale.IsNotFound(err):
		return "created", o.VIPServices().CreateOrUpdate(o.ctx, wanted)
	case err != nil:
		return "", err
	case present.Annotations[ownersAnnotation] == "":
		return "", errors.New("the service has another owner")
	case reflect.DeepEqual(present.Ports, wanted.Ports) && reflect.DeepEqual(present.Tags, wanted.Tags) &&
		reflect.DeepEqual(present.Annotations, wanted.Annotations):
		return "as wanted", nil
	}
	wanted.Addrs = present.Addrs
	return "updated", o.VIPServices().CreateOrUpdate(o.ctx, wanted)
}

// ingress: a service for a host name, shared with a second cluster, that goes with its last owner.
func (o *operator) ingress() {
	web := tailscale.VIPService{
		Name: "svc:web", Comment: "managed by an operator", Tags: []string{proxyTag}, Ports: []string{"tcp:443"},
		Annotations: ownedBy(ownerRef{OperatorID: o.nodeID}),
	}
	o.step("HA Ingress", func() (any, error) {
		seen := []string{}
		withHTTP, shared := web, web
		withHTTP.Ports = []string{"tcp:443", "tcp:80"}
		shared.Annotations = ownedBy(ownerRef{OperatorID: o.nodeID}, ownerRef{OperatorID: "nOtherCNTRL"})
		for _, wanted := range []tailscale.VIPService{web, web, withHTTP, withHTTP, shared, shared} {
			how, err := o.reconcile(wanted)
			if err != nil {
				return nil, err
			}
			seen = append(seen, how)
		}
		return seen, nil
	})
	o.step("HA Ingress gone", func() (any, error) {
		before, err := o.VIPServices().Get(o.ctx, web.Name)
		if err != nil {
			return nil, err
		}
		left := *before
		left.Annotations = ownedBy(ownerRef{OperatorID: "nOtherCNTRL"})
		if err := o.VIPServices().CreateOrUpdate(o.ctx, left); err != nil {
			return nil, err
		}
		after, err := o.VIPServices().Get(o.ctx, web.Name)
		if err != nil {
			return nil, err
		}
		unchanged := reflect.DeepEqual(*after, left)
		if err := o.VIPServices().Delete(o.ctx, web.Name); err != nil {
			return nil, err
		}
		_, err = o.VIPServices().Get(o.ctx, web.Name)
		again := o.VIPServices().Delete(o.ctx, web.Name)
		return map[string]any{
			"restUnchanged": unchanged, "gone": tailscale.IsNotFound(err), "goneAgain": tailscale.IsNotFound(again),
		}, nil
	})
}

// serviceWithAddress: the addresses have to be there at the very next read.
func (o *operator) serviceWithAddress() {
	o.step("HA Service", func() (any, error) {
		wanted := tailscale.VIPService{
			Name: "svc:database", Tags: []string{proxyTag}, Ports: []string{"do-not-validate"},
			Annotations: ownedBy(ownerRef{OperatorID: o.nodeID}),
		}
		if _, err := o.reconcile(wanted); err != nil {
			return nil, err
		}
		made, err := o.VIPServices().Get(o.ctx, wanted.Name)
		if err != nil {
			return nil, err
		}
		return map[string]any{"addresses": len(made.Addrs), "ports": made.Ports}, o.VIPServices().Delete(o.ctx, wanted.Name)
	})
}

// apiServerProxy: stale services of the same owner are found by the annotations that the list shows.
func (o *operator) apiServerProxy() {
	o.step("API server proxy", func() (any, error) {
		owner := ownerRef{OperatorID: o.nodeID, Resource: map[string]any{"kind": "ProxyGroup", "name": "kube", "uid": "1"}}
		for _, name := range []string{"svc:kube-old", "svc:kube"} {
			wanted := tailscale.VIPService{
				Name: name, Tags: []string{proxyTag}, Ports: []string{"tcp:443"}, Annotations: ownedBy(owner),
			}
			if _, err := o.reconcile(wanted); err != nil {
				return nil, err
			}
		}
		list, err := o.VIPServices().List(o.ctx)
		if err != nil {
			return nil, err
		}
		deleted := []string{}
		for _, service := range list {
			if service.Name == "svc:kube" || !reflect.DeepEqual(service.Annotations, ownedBy(owner)) {
				continue
			}
			if err := o.VIPServices().Delete(o.ctx, service.Name); err != nil {
				return nil, err
			}
			deleted = append(deleted, service.Name)
		}
		return deleted, o.VIPServices().Delete(o.ctx, "svc:kube")
	})
}
