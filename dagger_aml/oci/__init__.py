"""Images and registries: names, logins, layouts, layers."""
