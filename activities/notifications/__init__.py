"""The dispatcher of notifications and webhooks: a loop in each worker process, outside of Temporal."""
