#!/bin/sh
# Builds the real kube-apiserver and kubectl into target/peers/bin: minutes the first time, nothing after that.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

version=v1.36.3
LDFLAGS="-X k8s.io/component-base/version.gitVersion=$version -X k8s.io/client-go/pkg/version.gitVersion=$version"
export LDFLAGS
build_tools "$here" \
    kube-apiserver=k8s.io/kubernetes/cmd/kube-apiserver \
    kubectl=k8s.io/kubernetes/cmd/kubectl
