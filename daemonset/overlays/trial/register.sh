#!/usr/bin/env bash
# register.sh [NAMESPACE/SERVICE_ACCOUNT...]: tells the trial's SPIRE about governd and about
# the pods of service accounts, on every node; agents/reader and agents/writer by default.
# May be run again, after nodes or pods were added.
set -euo pipefail

domain=example.org
kubectl=${KUBECTL:-kubectl}
workloads=("$@")
[[ ${#workloads[@]} -gt 0 ]] || workloads=(agents/reader agents/writer)

# entry PARENT PATH SELECTORS [MORE]: SELECTORS are words like k8s:ns:governd
entry() {
    local selectors="" selector
    for selector in $3; do
        selectors+="${selectors:+,}{\"type\":\"${selector%%:*}\",\"value\":\"${selector#*:}\"}"
    done
    printf '{"parent_id":"%s","spiffe_id":"spiffe://%s%s","selectors":[%s]%s}\n' \
        "$1" "$domain" "$2" "$selectors" "${4:-}"
}

# The parent is the agent of one node, never of several: what is parented to an agent is
# within reach of whoever holds its node.
entries() {
    local node uid workload
    while read -r node uid; do
        local agent="spiffe://$domain/spire/agent/k8s_psat/trial/$uid"
        entry "$agent" /governd "k8s:ns:governd k8s:sa:governd"
        entry "$agent" "/governd/server/$node" governd:identity:server ',"dns_names":["governd"]'
        entry "$agent" "/governd/signer/$node" governd:identity:signer ',"x509_svid_ttl":900'
        for workload in "${workloads[@]}"; do
            local namespace=${workload%/*} account=${workload#*/}
            entry "$agent" "/ns/$namespace/sa/$account" "k8s:ns:$namespace k8s:sa:$account"
        done
    done < <($kubectl get nodes \
        -o 'jsonpath={range .items[*]}{.metadata.name}{" "}{.metadata.uid}{"\n"}{end}')
}

said=$(printf '{"entries":[%s]}' "$(entries | paste -sd,)" |
    $kubectl exec -i -n spire deployment/spire-server -- /opt/spire/bin/spire-server \
        entry create -socketPath /run/spire/server/api.sock -data - 2>&1) || true
echo "$said"
# What is registered already is as it should be; anything else is a mistake.
if grep -q '^FAILED\|^Failed\|rror' <<<"$(grep -v 'AlreadyExists' <<<"$said")"; then
    exit 1
fi
