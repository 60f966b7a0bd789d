#!/bin/sh
# An exec credential plugin of client-go
# (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins):
# asks OpenUnison for a token of the cluster named in $2, with this pod's own
# ServiceAccount token from $3, and answers with the token and its end.
set -eu
host=$1 target=$2 account=$3

reply=$(curl --silent --show-error --fail --proto '=https' --max-time 20 \
  --cacert "${PLATFORM_CA:-/etc/ssl/certs/ca-certificates.crt}" \
  --header @- "https://$host/api/get-target-token?targetName=$target" <<EOF
Authorization: Bearer $(cat "$account")
EOF
) || { echo "no token of $target from $host" >&2; exit 1; }

case $reply in
*.*.*) ;;
*) echo "$host answered with something that is not a token" >&2; exit 1 ;;
esac
# OpenUnison's tokens live for a minute; a new one is asked for before that.
end=$(date -u -d '+50 seconds' +%Y-%m-%dT%H:%M:%SZ)
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s","expirationTimestamp":"%s"}}\n' "$reply" "$end"
