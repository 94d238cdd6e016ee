"""The verbs: plan, Dockerfile, image, build."""
