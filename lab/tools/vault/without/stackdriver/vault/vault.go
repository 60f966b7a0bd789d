// Package vault has no names for metrics at Google's cloud.
package vault

// Extractor and Bucketer are none.
var Extractor, Bucketer any
