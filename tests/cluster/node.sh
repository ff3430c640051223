#!/usr/bin/env bash
# A Kubernetes of one node, in namespaces of its own for networks, mounts and processes: nothing of it is seen on the
# machine, and all of it ends with this process. `node.py` starts it and has written what it reads.
#
#   unshare --net --mount --pid --fork --kill-child --mount-proc node.sh STATE BINARIES
set -euo pipefail
state=$1 bin=$2
address=10.99.0.1 services=10.96.0.0/16 pods=10.244.0.0/24
pki=$state/pki conf=$state/conf log=$state/log

ip link set lo up
ip link add node0 type bridge
ip addr add $address/32 dev node0
ip link set node0 up
sysctl -q -w net.ipv4.ip_forward=1
# What goes from pod to pod over their bridge meets the rules, too.
sysctl -q -w net.bridge.bridge-nf-call-iptables=1

start() {
  local name=$1
  shift
  "$@" >"$log/$name.log" 2>&1 &
}

start etcd "$bin/etcd" --data-dir "$state/etcd" --unsafe-no-fsync \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380
start containerd containerd --config "$conf/containerd.toml"
start kube-apiserver "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 \
  --bind-address=$address --advertise-address=$address --service-cluster-ip-range=$services \
  --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
  --client-ca-file="$pki/ca.crt" --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
  --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP \
  --kubelet-client-certificate="$pki/admin.crt" --kubelet-client-key="$pki/admin.key" \
  --service-account-issuer=https://kubernetes.default.svc.cluster.local \
  --service-account-key-file="$pki/accounts.pub" --service-account-signing-key-file="$pki/accounts.key"
until curl --silent --fail --cacert "$pki/ca.crt" --cert "$pki/admin.crt" --key "$pki/admin.key" \
  "https://$address:6443/readyz" >/dev/null; do
  sleep 0.5
done
start kube-controller-manager "$bin/kube-controller-manager" --kubeconfig="$conf/controller-manager.kubeconfig" \
  --bind-address=127.0.0.1 --leader-elect=false --authentication-skip-lookup --use-service-account-credentials \
  --root-ca-file="$pki/ca.crt" --service-account-private-key-file="$pki/accounts.key"
start kube-scheduler "$bin/kube-scheduler" --kubeconfig="$conf/scheduler.kubeconfig" \
  --bind-address=127.0.0.1 --leader-elect=false --authentication-skip-lookup
start kube-proxy "$bin/kube-proxy" --kubeconfig="$conf/proxy.kubeconfig" --proxy-mode=iptables \
  --hostname-override=node --cluster-cidr=$pods --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0s \
  --conntrack-tcp-timeout-close-wait=0s --healthz-bind-address=127.0.0.1:10256 --metrics-bind-address=127.0.0.1:10249
# In a user namespace, it believes, it forgives what a machine does not grant: limits of the kernel, its log.
start kubelet "$bin/kubelet" --config="$conf/kubelet.yaml" --kubeconfig="$conf/kubelet.kubeconfig" \
  --root-dir="$state/kubelet" --node-ip=$address --hostname-override=node --feature-gates=KubeletInUserNamespace=true

# Whatever ends first ends all.
wait -n
