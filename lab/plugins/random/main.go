// Command pulumi-resource-random makes random values that live in Pulumi's
// state alone, as the real plugin does
// (https://www.pulumi.com/registry/packages/random/).
package main

import (
	"context"
	"slices"

	"platform/lab/plugins/provider"
)

func main() {
	provider.Main(plugin)
}

var plugin = provider.Plugin{
	Name:      "random",
	Version:   "4.21.2",
	Configure: func(context.Context, provider.Values) error { return nil },
	Types: map[string]provider.Resource{
		"random:index/randomPassword:RandomPassword": {
			Inputs:        replacing(stringInputs, "length"),
			SecretOutputs: []string{"result", "bcryptHash"},
			Create:        createPassword, Read: readPassword, Delete: forget,
		},
		"random:index/randomString:RandomString": {
			Inputs: replacing(stringInputs, "length"),
			Create: createString, Read: readString, Delete: forget,
		},
		"random:index/randomId:RandomId": {
			Inputs: replacing([]string{"byteLength", "prefix", "keepers"}, "byteLength"),
			Create: createID, Read: readID, Delete: forget,
		},
		"random:index/randomUuid:RandomUuid": {
			Inputs: replacing([]string{"keepers"}),
			Create: createUUID, Read: readUUID, Delete: forget,
		},
	},
}

var stringInputs = []string{
	"length", "special", "upper", "lower", "numeric", "minLower", "minUpper", "minNumeric", "minSpecial",
	"overrideSpecial", "keepers",
}

// replacing are inputs each of which makes a new value when it changes.
func replacing(names []string, required ...string) map[string]provider.Input {
	inputs := map[string]provider.Input{}
	for _, name := range names {
		inputs[name] = provider.Input{Replaces: true, Required: slices.Contains(required, name)}
	}
	return inputs
}

// forget deletes nothing: a value lives in the state alone.
func forget(context.Context, string, provider.Values) error { return nil }
