package components

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// OpenUnisonNamespace is where OpenUnison and the objects that configure it live.
const OpenUnisonNamespace = "openunison"

// OIDCClientArgs describe a system that people log in to through OpenUnison.
type OIDCClientArgs struct {
	// ClientID is also the name of OpenUnison's Trust and its Secret.
	ClientID     string
	RedirectURIs []string
}

// OIDCClient is a confidential client of OpenUnison.
type OIDCClient struct {
	pulumi.ResourceState

	ClientID string
	// ClientSecret is a secret.
	ClientSecret pulumi.StringOutput
}

// NewOIDCClient registers a client at OpenUnison: a Trust
// (https://openunison.github.io/documentation/login-to-openunison-applications/)
// and the Secret with the client's password, which the program chooses.
func NewOIDCClient(ctx *pulumi.Context, name string, cluster *Cluster, args *OIDCClientArgs,
	opts ...pulumi.ResourceOption,
) (*OIDCClient, error) {
	c := &OIDCClient{ClientID: args.ClientID}
	if err := ctx.RegisterComponentResource("platform:components:OIDCClient", name, c, opts...); err != nil {
		return nil, err
	}
	password, err := NewPassword(ctx, name+"-secret", c)
	if err != nil {
		return nil, err
	}
	namespace := pulumi.String(OpenUnisonNamespace)
	secretName := "oidc-client-" + args.ClientID
	secret, err := NewSecret(ctx, name+"-secret", cluster, &SecretArgs{
		Name: secretName, Namespace: namespace, Labels: PlatformLabels(),
		Data: pulumi.StringMap{"client_secret": password},
	}, c)
	if err != nil {
		return nil, err
	}
	_, err = NewCustomResource(ctx, name+"-trust", cluster, &CustomResourceArgs{
		APIVersion: "openunison.tremolo.io/v1", Kind: "Trust",
		Name: args.ClientID, Namespace: namespace, Labels: PlatformLabels(),
		Spec: map[string]any{
			"clientId":              args.ClientID,
			"clientSecret":          map[string]any{"secretName": secretName, "keyName": "client_secret"},
			"publicEndpoint":        false,
			"redirectURI":           args.RedirectURIs,
			"verifyRedirect":        true,
			"signedUserInfo":        true,
			"authChainName":         "login-service",
			"codeLastMileKeyName":   "lastmile-oidc",
			"accessTokenSkewMillis": 60000,
			"accessTokenTimeToLive": 60000,
			"codeTokenSkewMilis":    60000,
		},
	}, c, pulumi.DependsOn([]pulumi.Resource{secret}))
	if err != nil {
		return nil, fmt.Errorf("OIDC client %s: %w", args.ClientID, err)
	}
	c.ClientSecret = password
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{
		"clientId": pulumi.String(args.ClientID), "clientSecret": password,
	})
}
