// Package monitoring takes the place of the client of Google's metrics.
package monitoring

import (
	"context"
	"errors"
)

// NewMetricClient refuses.
func NewMetricClient(context.Context, ...any) (any, error) {
	return nil, errors.New("stackdriver is not built into the lab's Vault")
}
