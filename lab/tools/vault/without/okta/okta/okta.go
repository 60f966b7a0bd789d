// Package okta takes the place of Okta's client, which Vault needs to ask Okta for
// a second factor. The lab's Vault has none: a configuration is refused.
package okta

import (
	"context"
	"errors"
	"net/http"
)

// Configuration is never made.
type Configuration struct{ Context context.Context }

// ConfigSetter sets nothing.
type ConfigSetter func(*Configuration)

// NewConfiguration refuses.
func NewConfiguration(...ConfigSetter) (*Configuration, error) {
	return nil, errors.New("Okta is not built into the lab's Vault")
}

// WithToken sets nothing.
func WithToken(string) ConfigSetter { return func(*Configuration) {} }

// WithOrgUrl sets nothing.
func WithOrgUrl(string) ConfigSetter { return func(*Configuration) {} }

// WithCache sets nothing.
func WithCache(bool) ConfigSetter { return func(*Configuration) {} }

// APIClient, and all below, have the shape that Vault asks for, and are never
// made: there is no Configuration.
type APIClient struct {
	UserAPI       userAPI
	UserFactorAPI userFactorAPI
}

// NewAPIClient is called with a Configuration only.
func NewAPIClient(*Configuration) *APIClient { return nil }

// GetConfig has no Configuration to give.
func (*APIClient) GetConfig() *Configuration { return nil }

type userAPI struct{}

func (userAPI) ListUsers(context.Context) listUsers { return listUsers{} }

type listUsers struct{}

func (l listUsers) Filter(string) listUsers { return l }

func (listUsers) Execute() ([]User, *http.Response, error) { return nil, nil, nil }

// User is a user of Okta.
type User struct{}

// GetId is its id.
func (User) GetId() string { return "" }

type userFactorAPI struct{}

func (userFactorAPI) ListFactors(context.Context, string) listFactors { return listFactors{} }

func (userFactorAPI) VerifyFactor(context.Context, string, string) verifyFactor {
	return verifyFactor{}
}

func (userFactorAPI) GetFactorTransactionStatus(context.Context, string, string, string) transactionStatus {
	return transactionStatus{}
}

type listFactors struct{}

func (listFactors) Execute() ([]Factor, *http.Response, error) { return nil, nil, nil }

// Factor is a second factor of a user.
type Factor struct{ UserFactorPush *UserFactorPush }

// UserFactorPush is a factor that asks on a telephone.
type UserFactorPush struct{}

// GetId is its id.
func (*UserFactorPush) GetId() string { return "" }

type verifyFactor struct{}

func (verifyFactor) Execute() (*VerifyResult, *http.Response, error) { return nil, nil, nil }

// VerifyResult is the answer to a question for a factor.
type VerifyResult struct{ Links map[string]any }

// GetFactorResult is what became of it.
func (*VerifyResult) GetFactorResult() string { return "" }

type transactionStatus struct{}

func (transactionStatus) Execute() (*Transaction, *http.Response, error) { return nil, nil, nil }

// Transaction is a question under way, in one of four states.
type Transaction struct {
	UserFactorPushTransactionWaiting  *struct{}
	UserFactorPushTransaction         *struct{}
	UserFactorPushTransactionRejected *struct{}
	UserFactorPushTransactionTimeout  *struct{}
}
