// This file takes the place of the clients of SQL databases.

package connutil

// SQLConnectionProducerFieldNames are the settings of a database's connection.
func SQLConnectionProducerFieldNames() map[string]any { return nil }
