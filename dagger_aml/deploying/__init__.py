"""Files that deploy an image which somebody has built: Azure ML's deployment.yml, and Kubernetes' manifests."""
