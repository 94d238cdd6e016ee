"""A plan carried out by docker, podman or buildah."""
