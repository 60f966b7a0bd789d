// Package option takes the place of the options of Google's clients.
package option

// WithUserAgent is no option: there is no client.
func WithUserAgent(string) any { return nil }
