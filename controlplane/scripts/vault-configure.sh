#!/bin/sh
# Unseals every server of Vault and gives the program its AppRole. Safe to run
# again at any time: it ends at once when the AppRole works with this policy.
# The root token it works with is the first one, or one made from the unseal
# keys, and is revoked at the end.
set -eu
umask 077

key() { # the unseal key number $1, from the Secret or from this very run
  if [ -f "/keys/key-$1" ]; then cat "/keys/key-$1"; else sed -n "s/^  key-$1: \"\(.*\)\"$/\1/p" /bootstrap/manifests/keys.yaml; fi
}

if [ ! -f /keys/key-1 ] && [ ! -f /bootstrap/manifests/keys.yaml ]; then
  echo "Vault is initialised, but the Secret vault-unseal-keys is missing: restore it, then run this Job again" >&2
  exit 1
fi

sealed() { vault status -format=json 2>/dev/null | grep -q '"sealed": *true'; }

for VAULT_ADDR in $VAULT_ADDRS; do
  export VAULT_ADDR
  n=1
  while sealed; do
    if [ "$n" -gt "$KEY_THRESHOLD" ]; then
      echo "$VAULT_ADDR stays sealed after $KEY_THRESHOLD keys" >&2
      exit 1
    fi
    # The key goes by standard input: arguments can be seen by others.
    key "$n" | vault write -format=json sys/unseal key=- >/dev/null
    n=$((n + 1))
  done
done
export VAULT_ADDR="${VAULT_ADDRS%% *}"

# A raft follower, or a leader just unsealed, needs a moment.
tries=0
until vault read -format=json sys/leader >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || { echo "Vault has no leader after a minute" >&2; exit 1; }
  sleep 1
done

login() {
  VAULT_TOKEN='' vault write -field=token auth/approle/login \
    role_id=@/approle/role-id secret_id=@/approle/secret-id 2>/dev/null
}

if token=$(login) && VAULT_TOKEN="$token" vault read -field=policy "sys/policies/acl/$POLICY" 2>/dev/null | cmp -s - /scripts/policy.hcl; then
  VAULT_TOKEN="$token" vault token revoke -self >/dev/null
  echo "the program's AppRole works"
  exit 0
fi

if [ -f /bootstrap/root-token ]; then
  VAULT_TOKEN=$(cat /bootstrap/root-token)
else
  vault operator generate-root -cancel >/dev/null 2>&1 || true
  otp=$(vault operator generate-root -generate-otp)
  nonce=$(vault operator generate-root -init -otp="$otp" -format=json | sed -n 's/^ *"nonce": "\(.*\)",*$/\1/p')
  n=1
  while [ "$n" -le "$KEY_THRESHOLD" ]; do
    encoded=$(key "$n" | vault operator generate-root -nonce="$nonce" -format=json - | sed -n 's/^ *"encoded_token": "\(.*\)",*$/\1/p')
    n=$((n + 1))
  done
  VAULT_TOKEN=$(vault operator generate-root -decode="$encoded" -otp="$otp")
fi
export VAULT_TOKEN

vault auth list -format=json | grep -q '"approle/"' || vault auth enable approle >/dev/null
vault policy write "$POLICY" /scripts/policy.hcl >/dev/null
vault write "auth/approle/role/$ROLE" token_policies="$POLICY" token_ttl=20m token_max_ttl=1h \
  secret_id_num_uses=0 secret_id_ttl=0 >/dev/null
vault write "auth/approle/role/$ROLE/role-id" role_id=@/approle/role-id >/dev/null
if ! login >/dev/null; then
  vault write -format=json "auth/approle/role/$ROLE/custom-secret-id" secret_id=@/approle/secret-id >/dev/null
fi
login >/dev/null || { echo "the AppRole that the program chose cannot log in" >&2; exit 1; }

vault token revoke -self >/dev/null
rm -f /bootstrap/root-token
echo "the program's AppRole is ready; the root token is revoked"
