"""What every process needs before it can work: settings, logs, the Temporal connection, the embedded stack."""
