package main

import (
	"time"

	"tailscale.com/client/tailscale/v2"
)

func (r *round) federatedIdentity() {
	keys := r.Keys()
	r.step("federated identity", func() (any, error) {
		request := tailscale.CreateFederatedIdentityRequest{
			Scopes: []string{"dns:read"}, Issuer: "https://example.com", Subject: "repo:acme/*", Description: "proof",
			CustomClaimRules: map[string]string{"ref": "refs/heads/*"},
		}
		made, err := keys.CreateFederatedIdentity(r.ctx, request)
		if err != nil {
			return nil, err
		}
		changed, err := keys.SetFederatedIdentity(r.ctx, made.ID, tailscale.SetFederatedIdentityRequest{
			Scopes: []string{"dns:read", "users:read"}, Issuer: request.Issuer, Subject: "*",
		})
		if err != nil {
			return nil, err
		}
		if err := keys.Delete(r.ctx, made.ID); err != nil {
			return nil, err
		}
		gone, err := keys.Get(r.ctx, made.ID)
		if err != nil {
			return nil, err
		}
		return map[string]any{
			"secret": made.Key, "rules": made.CustomClaimRules, "subject": made.Subject,
			"sameAudience": made.Audience != "" && made.Audience == changed.Audience, "updated": !changed.Updated.IsZero(),
			"scopes": changed.Scopes, "changedRules": changed.CustomClaimRules, "changedSubject": changed.Subject,
			"invalid": gone.Invalid, "revoked": !gone.Revoked.IsZero(),
		}, nil
	})
	r.step("OAuth client replaced", func() (any, error) {
		made, err := keys.CreateOAuthClient(r.ctx, tailscale.CreateOAuthClientRequest{
			Scopes: []string{"auth_keys"}, Tags: []string{tag},
		})
		if err != nil {
			return nil, err
		}
		changed, err := keys.SetOAuthClient(r.ctx, made.ID, tailscale.SetOAuthClientRequest{Scopes: []string{"dns:read"}})
		if err != nil {
			return nil, err
		}
		return map[string]any{"scopes": changed.Scopes, "tags": changed.Tags, "secret": changed.Key}, keys.Delete(r.ctx, made.ID)
	})
}

func (r *round) webhooks() {
	hooks := r.Webhooks()
	r.step("webhook", func() (any, error) {
		made, err := hooks.Create(r.ctx, tailscale.CreateWebhookRequest{
			EndpointURL: "https://example.com/endpoint", ProviderType: tailscale.WebhookSlackProviderType,
			Subscriptions: []tailscale.WebhookSubscriptionType{tailscale.WebhookNodeCreated},
		})
		if err != nil {
			return nil, err
		}
		subscriptions := []tailscale.WebhookSubscriptionType{
			tailscale.WebhookUserDeleted, tailscale.WebhookCategoryDeviceMisconfigurations,
		}
		if _, err := hooks.Update(r.ctx, made.EndpointID, subscriptions); err != nil {
			return nil, err
		}
		if err := hooks.Test(r.ctx, made.EndpointID); err != nil {
			return nil, err
		}
		rotated, err := hooks.RotateSecret(r.ctx, made.EndpointID)
		if err != nil {
			return nil, err
		}
		list, err := hooks.List(r.ctx)
		if err != nil {
			return nil, err
		}
		read, err := hooks.Get(r.ctx, made.EndpointID)
		if err != nil {
			return nil, err
		}
		if err := hooks.Delete(r.ctx, made.EndpointID); err != nil {
			return nil, err
		}
		_, err = hooks.Get(r.ctx, made.EndpointID)
		return map[string]any{
			"listed": len(list), "provider": read.ProviderType, "subscriptions": read.Subscriptions,
			"newSecret":   made.Secret != nil && rotated.Secret != nil && *made.Secret != *rotated.Secret,
			"secretAgain": read.Secret != nil || list[0].Secret != nil, "gone": tailscale.IsNotFound(err),
		}, nil
	})
}

func (r *round) postureIntegrations() {
	posture := r.DevicePosture()
	r.step("posture integration", func() (any, error) {
		request := tailscale.CreatePostureIntegrationRequest{
			Provider: tailscale.PostureIntegrationProviderFalcon, CloudID: "us-1", ClientID: "one", ClientSecret: "secret",
		}
		made, err := posture.CreateIntegration(r.ctx, request)
		if err != nil {
			return nil, err
		}
		_, second := posture.CreateIntegration(r.ctx, request)
		if _, err := posture.UpdateIntegration(r.ctx, made.ID, tailscale.UpdatePostureIntegrationRequest{ClientID: "two"}); err != nil {
			return nil, err
		}
		list, err := posture.ListIntegrations(r.ctx)
		if err != nil {
			return nil, err
		}
		read, err := posture.GetIntegration(r.ctx, made.ID)
		if err != nil {
			return nil, err
		}
		if err := posture.DeleteIntegration(r.ctx, made.ID); err != nil {
			return nil, err
		}
		_, err = posture.GetIntegration(r.ctx, made.ID)
		return map[string]any{
			"listed": len(list), "cloud": read.CloudID, "client": read.ClientID, "provider": read.Provider,
			"second": messageOf(second), "gone": tailscale.IsNotFound(err),
		}, nil
	})
}

func (r *round) logging() {
	r.logStreams()
	logs := r.Logging()
	r.step("network flow logs", func() (any, error) {
		request := tailscale.NetworkFlowLogsRequest{Start: time.Now().Add(-time.Hour), End: time.Now()}
		return nil, logs.GetNetworkFlowLogs(r.ctx, request, func(tailscale.NetworkFlowLog) error { return nil })
	})
}

func (r *round) logStreams() {
	logs := r.Logging()
	r.step("log stream", func() (any, error) {
		request := tailscale.SetLogstreamConfigurationRequest{
			DestinationType: tailscale.LogstreamElasticEndpoint, URL: "https://logs.example.com/", User: "proof", Token: "secret",
			UploadPeriodMinutes: 5, CompressionFormat: tailscale.CompressionFormatZstd,
		}
		if err := logs.SetLogstreamConfiguration(r.ctx, tailscale.LogTypeConfig, request); err != nil {
			return nil, err
		}
		set, err := logs.LogstreamConfiguration(r.ctx, tailscale.LogTypeConfig)
		if err != nil {
			return nil, err
		}
		_, other := logs.LogstreamConfiguration(r.ctx, tailscale.LogTypeNetwork)
		if err := logs.DeleteLogstreamConfiguration(r.ctx, tailscale.LogTypeConfig); err != nil {
			return nil, err
		}
		_, gone := logs.LogstreamConfiguration(r.ctx, tailscale.LogTypeConfig)
		return map[string]any{"set": set, "other": tailscale.IsNotFound(other), "gone": tailscale.IsNotFound(gone)}, nil
	})
	r.step("AWS external id", func() (any, error) {
		ids := []*tailscale.AWSExternalID{}
		for _, reusable := range []bool{false, false, true, true} {
			id, err := logs.CreateOrGetAwsExternalId(r.ctx, reusable)
			if err != nil {
				return nil, err
			}
			ids = append(ids, id)
		}
		refused := logs.ValidateAWSTrustPolicy(r.ctx, ids[0].ExternalID, "arn:aws:iam::123456789012:role/logs")
		return map[string]any{
			"anew":    ids[0].ExternalID != ids[1].ExternalID,
			"again":   ids[2].ExternalID == ids[3].ExternalID && ids[1].ExternalID != ids[2].ExternalID,
			"account": ids[0].TailscaleAWSAccountID, "trust": messageOf(refused),
		}, nil
	})
}

func messageOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
