"""Pods of the tests, short to write down."""

IMAGE = "docker.io/slicelet/workload:1"
TOLERATIONS = [{"key": "slicelet.io/slice-node", "operator": "Exists"}]
SELECTOR = {"type": "virtual-kubelet"}


def container(name, args, image=IMAGE, **fields):
    return {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", "args": args, **fields}


def pod_spec(args, image=IMAGE, env=None, env_from=None, mounts=None, volumes=None, init=None, extra=None, restart=None,
             grace=1, readiness=None, liveness=None, resources=None, pull=None, **fields):
    main = container("main", args, image)
    for key, value in (("env", env), ("envFrom", env_from), ("volumeMounts", mounts), ("readinessProbe", readiness),
                       ("livenessProbe", liveness), ("resources", resources), ("imagePullPolicy", pull)):
        if value:
            main[key] = value
    spec = {"tolerations": TOLERATIONS, "nodeSelector": SELECTOR, "terminationGracePeriodSeconds": grace,
            "containers": [main] + [container(image=IMAGE, **more) for more in extra or []], **fields}
    if init:
        spec["initContainers"] = [container(image=IMAGE, **more) for more in init]
    if volumes:
        spec["volumes"] = volumes
    if restart:
        spec["restartPolicy"] = restart
    return spec


def pod(name, args, annotations=None, **fields):
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}, "annotations": annotations or {}},
            "spec": pod_spec(args, **fields)}


def deployment(name, replicas, args, **fields):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}}, "spec": pod_spec(args, **fields)}}}


def job(name, args, **fields):
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"backoffLimit": 0, "template": {"metadata": {"labels": {"app": name}},
                                                     "spec": pod_spec(args, restart="Never", **fields)}}}
