"""Rules: what can be told of a project, its plan and its base before anything is built. docs/rules.md lists them."""
