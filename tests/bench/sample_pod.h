#pragma once

#include <string>

namespace slicelet::bench {

/// A pod as the API server sends it for an ordinary Deployment: 3.5 KB, two containers, volumes, probes,
/// managed fields.
inline const std::string& SamplePod() {
  static const std::string pod = R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-6d4b75cb6d-hx8wz",
"generateName":"web-6d4b75cb6d-","namespace":"shop","uid":"4b5f0d2e-0b43-4f3c-9d6b-6b7ad9a3b1f1",
"resourceVersion":"184734","generation":1,"creationTimestamp":"2026-01-01T00:00:00Z","labels":{"app":"web",
"pod-template-hash":"6d4b75cb6d"},"annotations":{"example.com/owner":"shop"},"ownerReferences":[{"apiVersion":
"apps/v1","kind":"ReplicaSet","name":"web-6d4b75cb6d","uid":"f0b9b1f0-5e3d-4c60-8f0b-0a7f0b1c8c11","controller":true,
"blockOwnerDeletion":true}],"managedFields":[{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1",
"time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:generateName":{},"f:labels":{".":{},
"f:app":{},"f:pod-template-hash":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"f0b9b1f0\"}":{}}},"f:spec":{
"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:ports":{".":{},
"k:{\"containerPort\":8080,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:protocol":{}}},"f:resources":{},
"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},"f:dnsPolicy":{},"f:enableServiceLinks":{},
"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:terminationGracePeriodSeconds":{}}}}]},
"spec":{"volumes":[{"name":"config","configMap":{"name":"web-config","defaultMode":420}},{"name":"cache",
"emptyDir":{}}],"containers":[{"name":"main","image":"registry.example/shop/web:1.4.2","args":["--listen=:8080",
"--config=/etc/web/web.yaml"],"ports":[{"containerPort":8080,"protocol":"TCP"}],"env":[{"name":"LOG_LEVEL","value":
"info"},{"name":"REGION","value":"eu"}],"resources":{"limits":{"cpu":"500m","memory":"256Mi"},"requests":{"cpu":"100m",
"memory":"128Mi"}},"volumeMounts":[{"name":"config","mountPath":"/etc/web"},{"name":"cache","mountPath":"/var/cache"}],
"livenessProbe":{"httpGet":{"path":"/healthz","port":8080,"scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,
"successThreshold":1,"failureThreshold":3},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":
"File","imagePullPolicy":"IfNotPresent"},{"name":"proxy","image":"registry.example/proxy:2","resources":{},
"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],
"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"default",
"serviceAccount":"default","automountServiceAccountToken":false,"nodeName":"gw-1","securityContext":{},"schedulerName":
"default-scheduler","tolerations":[{"key":"slicelet.io/slice-node","operator":"Exists"}],"priority":0,
"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"},"status":{"phase":"Pending","conditions":[{
"type":"PodScheduled","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-01-01T00:00:00Z"}],"qosClass":
"Burstable"}})";
  return pod;
}

}  // namespace slicelet::bench
