#!/bin/sh
# Initialises Vault, once, and leaves what to keep in /bootstrap as a Kubernetes
# manifest: the ConfigMap vault-bootstrap always, the Secret with the unseal
# keys only by the run that initialised. Nothing is printed of the keys.
set -eu
umask 077

first=${VAULT_ADDRS%% *}
export VAULT_ADDR="$first"

# `vault status` exits with 0 unsealed, 2 sealed, 1 on an error.
tries=0
until vault status -format=json >/bootstrap/status.json 2>/bootstrap/status.err || [ $? -eq 2 ]; do
  tries=$((tries + 1))
  if [ "$tries" -ge 300 ]; then
    echo "Vault at $VAULT_ADDR does not answer: $(cat /bootstrap/status.err)" >&2
    exit 1
  fi
  sleep 1
done

mkdir -p /bootstrap/manifests
cat >/bootstrap/manifests/state.yaml <<EOF
apiVersion: v1
kind: ConfigMap
metadata:
  name: vault-bootstrap
  namespace: $NAMESPACE
data:
  address: "$VAULT_ADDR"
EOF

if grep -q '"initialized": *true' /bootstrap/status.json; then
  echo "Vault is initialised already"
  exit 0
fi
vault operator init -key-shares="$KEY_SHARES" -key-threshold="$KEY_THRESHOLD" >/bootstrap/init.new
mv /bootstrap/init.new /bootstrap/init

{
  printf 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: vault-unseal-keys\n  namespace: %s\nstringData:\n' "$NAMESPACE"
  sed -n 's/^Unseal Key \([0-9]*\): \(.*\)$/  key-\1: "\2"/p' /bootstrap/init
} >/bootstrap/manifests/keys.yaml
sed -n 's/^Initial Root Token: //p' /bootstrap/init >/bootstrap/root-token
rm /bootstrap/init
echo "Vault is initialised"
