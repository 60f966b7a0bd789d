# What the program may do in Vault: what its own resources need.
path "sys/mounts" { capabilities = ["read"] }
path "sys/mounts/*" { capabilities = ["create", "read", "update", "delete", "sudo"] }
path "sys/auth" { capabilities = ["read"] }
path "sys/auth/*" { capabilities = ["create", "read", "update", "delete", "sudo"] }
path "sys/policies/acl/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "auth/+/config" { capabilities = ["create", "read", "update"] }
path "auth/+/role/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "auth/token/create" { capabilities = ["create", "update"] }
path "auth/token/lookup-self" { capabilities = ["read"] }
path "identity/group" { capabilities = ["create", "update"] }
path "identity/group/id/*" { capabilities = ["read", "update", "delete"] }
path "identity/group-alias" { capabilities = ["create", "update"] }
path "identity/group-alias/id/*" { capabilities = ["read", "update", "delete"] }
path "secret/data/tenants/*" { capabilities = ["create", "read", "update", "delete"] }
path "secret/metadata/tenants/*" { capabilities = ["read", "delete", "list"] }
