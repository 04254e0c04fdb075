"""The `summit` command: what people do beside the REST interface."""
